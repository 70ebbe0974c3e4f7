// The Merkle tree of RFC 6962, which is the shape of a block's transactions and of a chain's history.

import { Reader, equal } from "./bytes.js";
import { demand } from "./errors.js";
import { sha256 } from "./sha256.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
/** More than any block can have of transactions, and any chain of blocks. */
const MAX_COUNT = 2 ** 48;
/** The longest way up a tree. */
export const MAX_PATH = 64;

/** @param {Uint8Array} left @param {Uint8Array} right @returns {Uint8Array} */
export const nodeHash = (left, right) => sha256(NODE, left, right);

/** @param {number} count at least 2 @returns {number} the largest power of two below it */
export function split(count) {
  let size = 1;
  while (size * 2 < count) size *= 2;
  return size;
}

/**
 * On which side the siblings of leaf `index` stand in a tree of `count` leaves, from the leaf upward: true for left.
 * @param {number} index below `count`
 * @param {number} count
 * @returns {boolean[]}
 */
export function siblingSides(index, count) {
  const sides = [];
  for (let [place, rest] = [index, count]; rest > 1;) {
    const left = split(rest);
    const isLeft = place >= left;
    sides.push(isLeft);
    [place, rest] = isLeft ? [place - left, rest - left] : [place, left];
  }
  return sides.reverse();
}

/**
 * The root over a list of transaction ids.
 * @param {Uint8Array[]} txids
 * @returns {Uint8Array}
 */
export function txsRoot(txids) {
  if (!txids.length) return sha256();
  const root = (from, to) => {
    if (to - from === 1) return sha256(LEAF, txids[from]);
    const middle = from + split(to - from);
    return nodeHash(root(from, middle), root(middle, to));
  };
  return root(0, txids.length);
}

/**
 * Reads a transaction's place in its block: `count || index || n || hash*`.
 * @param {Reader} reader
 * @returns {{count: bigint, index: bigint, path: Uint8Array[]}}
 */
export function readInclusion(reader) {
  const [count, index] = [reader.u64(), reader.u64()];
  const length = reader.count("hashes", 32, MAX_PATH);
  return { count, index, path: Array.from({ length }, () => reader.take(32)) };
}

/**
 * Checks that a transaction is at its place in the block with this root.
 * @param {{count: bigint, index: bigint, path: Uint8Array[]}} inclusion
 * @param {Uint8Array} txid
 * @param {Uint8Array} root
 */
export function checkInclusion({ count, index, path }, txid, root) {
  demand(index < count, () => `got place ${index} in a block of ${count} transactions`);
  demand(count <= BigInt(MAX_COUNT), () => `got a block of ${count} transactions, expected at most ${MAX_COUNT}`);
  const sides = siblingSides(Number(index), Number(count));
  demand(path.length === sides.length, () => {
    return `got ${path.length} hashes for place ${index} of ${count} transactions, expected ${sides.length}`;
  });
  let hash = sha256(LEAF, txid);
  path.forEach((sibling, level) => {
    hash = sides[level] ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
  });
  demand(equal(hash, root), () => "the transaction is not in the block: its path leads to another root");
}
