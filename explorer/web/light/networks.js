// The networks that this page knows, and how the parameters of another are found out. Parameters are believed only
// once they lead to the genesis id that the visitor trusts, so it does not matter who gives them.

import { readAddress } from "./address.js";
import { fromHex } from "./bytes.js";
import { ProofError, failure } from "./errors.js";
import { readHeader } from "./header.js";
import { makeNetwork, networkOf } from "./network.js";
import { optionalText, readJson } from "./shapes.js";
import { readUpgrades } from "./upgrades.js";

const PUBLIC = {
  intervalMs: 30_000n,
  halfLifeMs: 3_600_000n,
  maxFutureMs: 60_000n,
  maxBlockBytes: 1_048_576n,
  maxNewAccounts: 1_024n,
  accountPrice: 1_000_000n,
  subsidy: 500_000_000n,
  halving: 4_204_800n,
  genesisTime: 1_793_491_200_000n,
  powLimit: 0x1e00ffff,
  genesisTarget: 0x1d1fffff,
};
const LOCAL = {
  intervalMs: 2_000n,
  halfLifeMs: 20_000n,
  maxFutureMs: 5_000n,
  maxBlockBytes: 2_097_152n,
  maxNewAccounts: 16_384n,
  accountPrice: 100_000n,
  subsidy: 5_000_000_000n,
  halving: 100_000n,
  genesisTime: 1_793_491_200_000n,
  powLimit: 0x1e3fffff,
  genesisTarget: 0x1e1fffff,
};
/** The development keys of local networks, ascending. */
const DEVELOPERS = [
  "lcrn1q3krrqw8udczg6wc6aa4ut7gs926sz29gl7x5m9l6lfm3606vnaszxku58",
  "lcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjqq7x9pf",
  "lcrn1tevl6nsa5h5zgndej7myhwuvgjv6f2l8454np5du7x9jgycma7jq4xjrfa",
  "lcrn1w7gk3p9ytpc9g657qhlyqc56jwdrj2cp08kn0jnnlk30ppdf9m5qhkcz3r",
  "lcrn1steec5v7mkhymqz4k7zjza9zng5hxg53pu0trgg4ha59vghtzkrs092drp",
  "lcrn13ztmnge95m94m2rrfphuu7c3gf2fsyqenuqmu23jz2a9e33chyuqfw5w3j",
  "lcrn1hajg2k8396lwg455tc2fe7taxyu7dpwn2qkpt7d99ag7v29jz6sqvkqsgc",
  "lcrn162xv24gcsfmlx52m2wcqjs4qedy4wyuughxhyw45ehypvdsfazvsnsj08c",
  "lcrn1ux49gluqh7gdght0wqhff6a05y94ujn4jhf55d3v82jmdmlfq30s8sv76p",
  "lcrn17my98u9aw4fu6cj484760zwcrvxx9x2wnape0npz2sddeyc89v4qf2qgsn",
];
const FAUCET = "tcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjq5hjyy8";

const allocations = (texts, amount) => texts.map((text) => ({ address: readAddress(text).bytes, amount }));

/** @returns {import("./network.js").Params[]} those of the networks that ship with the node's program */
export const shippedParams = () => [
  { ...PUBLIC, name: "main", prefix: "crn", allocations: [] },
  { ...PUBLIC, name: "test", prefix: "tcrn", allocations: allocations([FAUCET], 1_000_000_000_000_000n) },
  { ...LOCAL, name: "local", prefix: "lcrn", allocations: allocations(DEVELOPERS, 100_000_000_000_000n) },
];

/**
 * A network that this page knows by itself.
 * @param {string} genesisId
 * @param {bigint} [genesisTime] of block 0: `testnet.sh` stamps a local network anew
 */
export function shippedNetwork(genesisId, genesisTime) {
  for (const params of shippedParams()) {
    for (const time of new Set([params.genesisTime, genesisTime ?? params.genesisTime])) {
      const network = makeNetwork({ ...params, genesisTime: time });
      if (network.genesisId === genesisId) return network;
    }
  }
  return null;
}

/**
 * The network of a document with parameters and upgrades in hex, as the page's own server gives it.
 * @param {string} text
 * @param {string} genesisId
 */
export function describedNetwork(text, genesisId) {
  const document = readJson(text, 1 << 21, "description of the network");
  const bytes = (name) => fromHex(optionalText(document, name) ?? "", name, 0, 1 << 20);
  return networkOf(bytes("params"), genesisId, readUpgrades(bytes("upgrades")));
}

/**
 * Finds the network of a trusted genesis id.
 * @param {string} genesisId
 * @param {{describe?: () => Promise<string>, block0?: () => Promise<Uint8Array>}} sources a description, and the header
 *   of block 0, as anybody gives them
 */
export async function findNetwork(genesisId, { describe, block0 }) {
  for (const source of [
    async () => describedNetwork(await describe(), genesisId),
    async () => shippedNetwork(genesisId),
    async () => shippedNetwork(genesisId, BigInt(readHeader(await block0()).time)),
  ]) {
    try {
      const network = await source();
      if (network) return network;
    } catch (error) {
      // What cannot be had here, or is of another network, may be had from the next source.
      if (!(error instanceof ProofError || error instanceof TypeError || error instanceof RangeError)) throw error;
    }
  }
  throw failure(`this page does not know the rules of the network ${genesisId}`, "network");
}
