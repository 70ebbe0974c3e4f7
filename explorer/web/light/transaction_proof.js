// That a transaction is in a block of a proven chain: docs/protocol.md, 10.6.

import { Reader, equal, toHex } from "./bytes.js";
import { demand, unreadable } from "./errors.js";
import { HEADER_BYTES, readHeader } from "./header.js";
import { NODE_BYTES, checkPlace, leafOf, readNode } from "./history.js";
import { MAX_PATH, checkInclusion, readInclusion } from "./merkle.js";
import { workOf } from "./targets.js";
import { MAX_TRANSACTION_BYTES, checkTransaction, readTransaction } from "./transaction.js";

/** The longest proof: a transaction, a header, and the two ways up. */
export const MAX_TRANSACTION_PROOF_BYTES = MAX_TRANSACTION_BYTES + 8 * 1024;

/**
 * Where a block stands on a proven chain.
 * @typedef {object} Place
 * @property {import("./header.js").Header} header
 * @property {number} confirmations from that block to the tip, both counted
 * @property {bigint} workAbove the work of the blocks above it
 */

/** Reads `0x00`, or `0x01 || next_target || n || node*`. */
function readPlace(reader) {
  const below = reader.u8();
  if (below > 1) throw unreadable(`the place of the block begins with ${below}, expected 0 or 1`);
  if (below === 0) return null;
  const nextTarget = reader.u32();
  const count = reader.count("nodes", NODE_BYTES, MAX_PATH);
  return { nextTarget, siblings: Array.from({ length: count }, () => readNode(reader.take(NODE_BYTES))) };
}

/**
 * Reads a proof that stands at the end of `reader`.
 * @param {Reader} reader
 */
export function readTransactionProof(reader) {
  const header = readHeader(reader.take(HEADER_BYTES));
  const transaction = readTransaction(reader);
  const inclusion = readInclusion(reader);
  const place = readPlace(reader);
  reader.end();
  return { header, transaction, inclusion, place };
}

/** @param {Uint8Array} bytes */
export function decodeTransactionProof(bytes) {
  demand(
    bytes.length <= MAX_TRANSACTION_PROOF_BYTES,
    () => {
      return `the proof of a payment has ${bytes.length} bytes, expected at most ${MAX_TRANSACTION_PROOF_BYTES}`;
    },
    "decode",
  );
  return readTransactionProof(new Reader(bytes, "proof of a payment"));
}

/**
 * Checks that the transaction is valid by itself and in a block of the chain that ends with `tip`.
 * @param {object} network
 * @param {ReturnType<typeof decodeTransactionProof>} proof
 * @param {import("./verified_tip.js").VerifiedTip} tip
 * @returns {Place}
 */
export function checkTransactionProof(network, { header, transaction, inclusion, place }, tip) {
  // A root over transactions is a miner's word: nobody but full nodes looks at what is below it.
  checkTransaction(network, transaction);
  checkInclusion(inclusion, transaction.id, header.txsRoot);
  const under = tip.tip;
  if (place === null) {
    demand(equal(header.id, under.id), () => {
      return `it claims to be in the tip ${toHex(under.id)}, and shows the block ${toHex(header.id)}`;
    });
    return { header, confirmations: 1, workAbove: 0n };
  }
  // Block 0 has no transactions, so every block here has work of its own.
  const leaf = leafOf(header, workOf(header.target), place.nextTarget);
  const before = checkPlace(leaf, header.height, place.siblings, under.height, under.historyRoot);
  return { header, confirmations: under.height - header.height + 1, workAbove: tip.work - before - leaf.work };
}
