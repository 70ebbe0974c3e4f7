// Going from a block to its child, checked as a full node checks headers: docs/protocol.md, 7.2.

import { equal, toHex } from "./bytes.js";
import { ProofError, demand } from "./errors.js";
import { checkAlone, checkVersion } from "./header.js";
import { leafOf } from "./history.js";
import { nextTarget, showTarget, workOf } from "./targets.js";

/** @param {object} network @param {number} now Unix ms */
function checkTime(network, header, now) {
  const latest = now + Number(network.maxFutureMs);
  if (header.time <= latest) return;
  const text = `block ${header.height} is from the future: got ${header.time} ms, expected at most ${latest}`;
  throw new ProofError(text, "early", "time-ahead");
}

/**
 * The tip of a chain that is walked header by header: the last header, the history up to and including it, and that
 * below it, to which it commits.
 * @typedef {object} Walk
 * @property {import("./header.js").Header} tip
 * @property {import("./history.js").History} history
 * @property {import("./history.js").History} [below]
 */

/**
 * Goes on to a child; `walk` is changed.
 * @param {object} network
 * @param {Walk} walk
 * @param {import("./header.js").Header} header
 * @param {number} now Unix ms
 */
export function follow(network, walk, header, now) {
  const { tip, history } = walk;
  const where = `block ${header.height}`;
  checkAlone(network, header);
  demand(equal(header.parent, tip.id), () => {
    return `${where} has the parent ${toHex(header.parent)}, expected ${toHex(tip.id)}`;
  });
  demand(header.height === tip.height + 1, () => `got height ${header.height} after block ${tip.height}`);
  const expected = history.last.nextTarget;
  demand(header.target === expected, () => {
    return `${where} has the target ${showTarget(header.target)}, expected ${showTarget(expected)}`;
  });
  demand(header.time > tip.time, () => `${where} is not later than its parent`);
  demand(
    equal(header.historyRoot, history.root()),
    () => `${where} commits to another history than that of its chain`,
  );
  checkTime(network, header, now);
  checkVersion(network, header);
  const next = nextTarget(network, header.height, header.target, tip.time, header.time);
  walk.below = history.clone();
  history.append(leafOf(header, workOf(header.target), next));
  walk.tip = header;
}
