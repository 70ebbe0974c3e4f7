// The tree of accounts and proofs of what an address has, or that it has no account (docs/protocol.md, 5.1 and 5.2).

import { Reader, compare, concat, equal, isZero, u64 } from "./bytes.js";
import { demand, unreadable } from "./errors.js";
import { nodeHash } from "./merkle.js";
import { sha256, tagged } from "./sha256.js";

/** The longest proof: a leaf and a path of 64. */
export const MAX_ACCOUNT_PROOF_BYTES = 4096;
const LEAF = Uint8Array.of(0);
const MISSING = new Uint8Array(32);
const MAX_AMOUNT = 2n ** 53n - 1n;
const stateHash = tagged("cairn/state");

/** @param {bigint} count of leaves, at least 1 @returns {number} the least d with 2^d >= count */
const depthOf = (count) => (count <= 1n ? 0 : (count - 1n).toString(2).length);

/** @param {Uint8Array} leaf its 80 bytes @returns {Uint8Array} */
export const leafHash = (leaf) => sha256(LEAF, leaf);

/**
 * The root over all leaves of a state.
 * @param {Uint8Array[]} leaves 80 bytes each, in order of creation, the sentinel first
 * @returns {Uint8Array}
 */
export function stateRoot(leaves) {
  let level = leaves.map(leafHash);
  let size = 2 ** depthOf(BigInt(leaves.length));
  for (; size > 1; size /= 2) {
    level = Array.from({ length: size / 2 }, (_, i) =>
      nodeHash(level[2 * i] ?? MISSING, level[2 * i + 1] ?? MISSING),
    );
  }
  return stateHash(u64(leaves.length), level[0]);
}

/**
 * The state after block 0.
 * @param {{address: Uint8Array, amount: bigint}[]} allocations ascending by address
 * @returns {Uint8Array} its root
 */
export function stateRootOf(allocations) {
  const all = [{ address: MISSING, amount: 0n }, ...allocations];
  const next = (place) => all[place + 1]?.address ?? MISSING;
  return stateRoot(all.map(({ address, amount }, place) => concat(address, next(place), u64(amount), u64(0))));
}

/** Reads `count || index || leaf || n || sibling*`. */
function readProof(bytes) {
  const reader = new Reader(bytes, "account proof");
  const [count, index, leaf] = [reader.u64(), reader.u64(), reader.take(80)];
  const length = reader.count("siblings", 32, 64);
  const path = Array.from({ length }, () => reader.take(32));
  reader.end();
  const fields = new Reader(leaf, "leaf");
  const [address, next, balance, nonce] = [fields.take(32), fields.take(32), fields.u64(), fields.u64()];
  if (balance > MAX_AMOUNT) throw unreadable(`the leaf has the balance ${balance}, expected at most ${MAX_AMOUNT}`);
  return { count, index, leaf, path, address, next, balance, nonce };
}

/** Checks that the leaf is where the proof says, in a state with this root. */
function checkPath({ count, index, leaf, path }, root) {
  demand(index < count, () => `got leaf ${index} of ${count} accounts`);
  demand(path.length === depthOf(count), () => {
    return `got ${path.length} siblings in a tree of ${count} accounts, expected ${depthOf(count)}`;
  });
  let hash = leafHash(leaf);
  path.forEach((sibling, level) => {
    hash = (index >> BigInt(level)) & 1n ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
  });
  demand(equal(stateHash(u64(count), hash), root), () => "its path leads to another state root");
}

/**
 * What a proof shows about an address under a state root.
 * @param {Uint8Array} bytes
 * @param {Uint8Array} address
 * @param {Uint8Array} root
 * @returns {{balance: bigint, nonce: bigint}|null} null where it shows that there is no account
 */
export function checkAccount(bytes, address, root) {
  demand(
    bytes.length <= MAX_ACCOUNT_PROOF_BYTES,
    () => {
      return `the account proof has ${bytes.length} bytes, expected at most ${MAX_ACCOUNT_PROOF_BYTES}`;
    },
    "decode",
  );
  const proof = readProof(bytes);
  demand(!isZero(address), () => "no proof says anything about the zero address");
  checkPath(proof, root);
  if (equal(proof.address, address)) return { balance: proof.balance, nonce: proof.nonce };
  const spans = compare(proof.address, address) < 0 && (isZero(proof.next) || compare(address, proof.next) < 0);
  demand(spans, () => "it proves another account, and says nothing about this one");
  return null;
}
