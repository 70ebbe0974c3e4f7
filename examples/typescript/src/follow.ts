/**
 * Follows the chain: a line with height and id for each block that comes, "-" before those that leave.
 *
 * Usage: node out/follow.js URL BLOCKS [SINCE]
 *
 * URL begins with ws:// or wss://. Ends after so many blocks. With SINCE, the id of a block, it begins with what
 * happened since.
 */
import { JSONRPCClient, JSONRPCServer, JSONRPCServerAndClient } from "json-rpc-2.0";
import WebSocket from "ws";
import type { ChainMove } from "./types.js";

const [url, blocks, since] = process.argv.slice(2);
if (!url || !blocks) throw new Error("usage: follow.js URL BLOCKS [SINCE]");

const socket = new WebSocket(url);
const peer = new JSONRPCServerAndClient(
  new JSONRPCServer(),
  new JSONRPCClient((request) => socket.send(JSON.stringify(request))),
);
let left = Number(blocks);

// Notifications come as calls of this method that want no answer.
peer.addMethod("chain_moves", ({ result }: { result: ChainMove }) => {
  for (const header of result.disconnected) console.log("-", header.height, header.id);
  for (const header of result.connected) console.log(header.height, header.id);
  left -= result.connected.length;
  if (left <= 0) socket.close();
});

socket.on("message", (text) => void peer.receiveAndSend(JSON.parse(text.toString())));
socket.on("close", () => peer.rejectAllPendingRequests("the node closed the connection"));
socket.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
socket.on("open", async () => {
  try {
    await peer.request("chain_subscribeMoves", { since: since ?? null });
    console.error("following");
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
    socket.close();
  }
});
