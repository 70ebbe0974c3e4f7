/**
 * Shows what an address has, as one line of JSON.
 *
 * Usage: node out/account.js URL ADDRESS
 */
import { JSONRPCClient, JSONRPCErrorException } from "json-rpc-2.0";
import type { Account, NodeInfo } from "./types.js";

const [url, address] = process.argv.slice(2);
if (!url || !address) throw new Error("usage: account.js URL ADDRESS");

const client: JSONRPCClient = new JSONRPCClient(async (request) => {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(request) });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  client.receive(await response.json());
});

try {
  const info: NodeInfo = await client.request("node_info", {});
  const account: Account = await client.request("state_getAccount", { address });
  const { balance, height, pending } = account;
  // What paying it costs on top when it has no account yet.
  const price = account.exists ? "0" : info.rules.account_price;
  console.log(JSON.stringify({ chain: info.chain, height, balance, price, next_nonce: pending.nonce }));
} catch (error) {
  if (!(error instanceof JSONRPCErrorException)) throw error;
  console.error(`error ${error.code} (${error.data?.kind}): ${error.message}`);
  process.exitCode = 1;
}
