// A chain that has a history before its tail, and its honest proof, to be altered.

import { concat, toBigEndian, u32, u64 } from "../../light/bytes.js";
import { readNode } from "../../light/history.js";
import { decodeLightProof } from "../../light/light_proof.js";
import { Chain, easyNetwork, encodeProof } from "./chain.mjs";
import { GENESIS_TIME } from "./scene.mjs";
import { RANDOM } from "./judge.mjs";

/** A chain that is long enough to have a history, once for all. */
export const long = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(1500);
export const honest = long.lightProof(RANDOM);
export const start = long.height - 512;

/** The parts of the honest proof, changed. */
export function parts(change, chain = long, random = RANDOM) {
  const { tail, opened, nodes } = decodeLightProof(chain.lightProof(random));
  const lists = {
    tail: tail.map((each) => each.raw),
    opened: opened.map((each) => each.raw),
    nodes: nodes.map((each) => each.raw),
  };
  change(lists, opened);
  return encodeProof(lists);
}

/** A node with some of its fields changed. */
export function changed(raw, { work, lastTime, firstTarget, nextTarget }) {
  const old = readNode(raw);
  return concat(
    raw.subarray(0, 32),
    toBigEndian(work ?? old.work),
    u64(lastTime ?? old.lastTime),
    u32(firstTarget ?? old.firstTarget),
    u32(nextTarget ?? old.nextTarget),
  );
}
