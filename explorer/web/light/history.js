// The history of a chain: a Merkle mountain range that sums work and carries difficulty (docs/protocol.md, 6.3).

import { Reader, concat, toBigEndian, bigEndian, u32, u64, equal, toHex } from "./bytes.js";
import { demand } from "./errors.js";
import { siblingSides } from "./merkle.js";
import { tagged } from "./sha256.js";
import { addWork, showTarget } from "./targets.js";

/** Encoded size of a node. */
export const NODE_BYTES = 80;
const mergeHash = tagged("cairn/mmr");
const rootHash = tagged("cairn/history");

/**
 * @typedef {object} Node
 * @property {Uint8Array} raw its 80 bytes
 * @property {bigint} work of all its blocks
 * @property {number} lastTime Unix ms
 * @property {number} firstTarget compact
 * @property {number} nextTarget compact: of the block after it
 */

/** @param {Uint8Array} raw 80 bytes @returns {Node} */
export function readNode(raw) {
  const reader = new Reader(raw, "node of the history");
  reader.take(32);
  const work = bigEndian(reader.take(32));
  const lastTime = Number(reader.u64());
  return { raw, work, lastTime, firstTarget: reader.u32(), nextTarget: reader.u32() };
}

/**
 * The leaf of a block.
 * @param {import("./header.js").Header} header
 * @param {bigint} work its own; 0 for block 0
 * @param {number} nextTarget that the block after it has to have
 * @returns {Node}
 */
export function leafOf(header, work, nextTarget) {
  const time = header.raw.subarray(42, 50);
  const raw = concat(header.id, toBigEndian(work), time, u32(header.target), u32(nextTarget));
  return { raw, work, lastTime: header.time, firstTarget: header.target, nextTarget };
}

/** Two nodes join only where the second goes on as the first demands. */
function checkJoin(left, right) {
  demand(left.nextTarget === right.firstTarget, () => {
    return (
      `a part of the history begins with the target ${showTarget(right.firstTarget)}, and the part before it ` +
      `demands ${showTarget(left.nextTarget)}`
    );
  });
  demand(left.lastTime < right.lastTime, () => {
    return `a part of the history ends at ${right.lastTime} ms, and the part before it at ${left.lastTime} ms`;
  });
}

/** @param {Node} left @param {Node} right @returns {Node} */
export function merge(left, right) {
  checkJoin(left, right);
  const work = addWork(left.work, right.work);
  const raw = new Uint8Array(NODE_BYTES);
  raw.set(mergeHash(left.raw, right.raw));
  raw.set(toBigEndian(work), 32);
  // The last time and the next target are those of the second, the first target is that of the first.
  raw.set(right.raw.subarray(64), 64);
  raw.set(left.raw.subarray(72, 76), 72);
  const { lastTime, nextTarget } = right;
  return { raw, work, lastTime, firstTarget: left.firstTarget, nextTarget };
}

/** The history of the blocks from 0 up to some block, as its peaks: the complete trees, from left to right. */
export class History {
  /** @param {number} [count] blocks @param {Node[]} [peaks] one for each bit set in `count`, the greatest first */
  constructor(count = 0, peaks = []) {
    this.count = count;
    this.peaks = peaks;
  }

  /** @returns {History} one that grows by itself */
  clone() {
    return new History(this.count, this.peaks.slice());
  }

  /** @returns {Node|undefined} the last peak */
  get last() {
    return this.peaks[this.peaks.length - 1];
  }

  /** @returns {bigint} the work of all blocks */
  get work() {
    return this.peaks.reduce((sum, peak) => addWork(sum, peak.work), 0n);
  }

  /**
   * Appends a complete tree of `size` blocks, a power of two that divides the number of blocks before.
   * @param {Node} node
   * @param {number} [size]
   */
  append(node, size = 1) {
    if (this.last) checkJoin(this.last, node);
    let [tree, length] = [node, size];
    // A peak of the same size stands last exactly where that bit of the number of blocks is set.
    while (Math.floor(this.count / length) % 2 === 1) {
      tree = merge(this.peaks.pop(), tree);
      this.count -= length;
      length *= 2;
    }
    this.peaks.push(tree);
    this.count += length;
  }

  /** @returns {Uint8Array} `history_root` of the block after these */
  root() {
    if (!this.count) return new Uint8Array(32);
    const whole = this.peaks.reduceRight((right, left) => (right ? merge(left, right) : left), null);
    return rootHash(u64(this.count), whole.raw);
  }
}

/**
 * Checks that a leaf stands at `height` in the history that `root` commits to.
 * @param {Node} leaf
 * @param {number} height
 * @param {Node[]} siblings from the leaf upward
 * @param {number} count blocks in that history
 * @param {Uint8Array} root
 * @returns {bigint} the work of all blocks before it
 */
export function checkPlace(leaf, height, siblings, count, root) {
  demand(height < count, () => `block ${height} is not below block ${count}`);
  const sides = siblingSides(height, count);
  demand(siblings.length === sides.length, () => {
    return `got ${siblings.length} nodes for block ${height} of ${count}, expected ${sides.length}`;
  });
  let [node, before] = [leaf, 0n];
  siblings.forEach((sibling, level) => {
    if (sides[level]) before = addWork(before, sibling.work);
    node = sides[level] ? merge(sibling, node) : merge(node, sibling);
  });
  demand(equal(rootHash(u64(count), node.raw), root), () => {
    const id = toHex(leaf.raw.subarray(0, 32));
    return `block ${height} (${id}) is not on the chain: its path leads to another history`;
  });
  return before;
}
