// Receipts: a light proof and the proof of a payment in one, for who holds nothing but the genesis id (10.6).

import { Reader, fromHex, toHex } from "./bytes.js";
import { ProofError, demand, unreadable } from "./errors.js";
import { MAX_PROOF_BYTES, checkLightProof, readLightProof } from "./light_proof.js";
import { shippedNetwork } from "./networks.js";
import { RECEIPT_SAMPLES } from "./samples.js";
import { field, readJson } from "./shapes.js";
import { MAX_TRANSACTION_PROOF_BYTES, checkTransactionProof, readTransactionProof } from "./transaction_proof.js";

/** The longest receipt. */
export const MAX_RECEIPT_BYTES = 32 + MAX_PROOF_BYTES + MAX_TRANSACTION_PROOF_BYTES;
/** The longest file: the receipt in hex, and room for the rest. */
export const MAX_RECEIPT_FILE = 2 * MAX_RECEIPT_BYTES + 4096;
const VERSION = 1;
/** A receipt older than this says so: much may have happened to the chain since. */
const OLD_MS = 86_400_000;

/** @param {Uint8Array} bytes */
export function decodeReceipt(bytes) {
  demand(
    bytes.length <= MAX_RECEIPT_BYTES,
    () => {
      return `the receipt has ${bytes.length} bytes, expected at most ${MAX_RECEIPT_BYTES}`;
    },
    "decode",
  );
  const reader = new Reader(bytes, "receipt");
  const tip = reader.take(32);
  const light = readLightProof(reader);
  return { tip, light, proof: readTransactionProof(reader) };
}

/**
 * Checks a receipt against a network.
 * @param {object} network
 * @param {ReturnType<typeof decodeReceipt>} receipt
 * @param {number} now Unix ms
 */
export function checkReceipt(network, receipt, now) {
  const request = { tip: receipt.tip, random: new Uint8Array(32), samples: RECEIPT_SAMPLES };
  const tip = checkLightProof(network, request, receipt.light, now);
  const place = checkTransactionProof(network, receipt.proof, tip);
  return { tip, place, transaction: receipt.proof.transaction };
}

/**
 * Reads the file that `wallet receipt` prints. Its `raw` is what is checked; the rest says what it is.
 * @param {string} text
 * @returns {{chain: string, genesisId: string, txid: string, raw: Uint8Array}}
 */
export function readReceiptFile(text) {
  const file = readJson(text, MAX_RECEIPT_FILE, "receipt");
  const version = field(file, "cairn_receipt", "number");
  if (version !== VERSION) throw unreadable(`got version ${version} of a receipt, expected ${VERSION}`);
  const chain = field(file, "chain", "string").slice(0, 32);
  const genesisId = toHex(fromHex(field(file, "genesis_id", "string"), "genesis_id", 32));
  const txid = toHex(fromHex(field(file, "txid", "string"), "txid", 32));
  return { chain, genesisId, txid, raw: fromHex(field(file, "raw", "string"), "receipt", 33, MAX_RECEIPT_BYTES) };
}

/**
 * Checks a receipt's file.
 * @param {object} network
 * @param {ReturnType<typeof readReceiptFile>} file
 * @param {{now: number, leastWork?: bigint}} options `leastWork` is what has to lie above the payment
 */
export function checkReceiptFile(network, file, { now, leastWork = 0n }) {
  if (file.genesisId !== network.genesisId) {
    const text = `the receipt is for the network ${file.genesisId}, expected ${network.genesisId}`;
    throw new ProofError(text, "failure", "network");
  }
  const mined = checkReceipt(network, decodeReceipt(file.raw), now);
  const txid = toHex(mined.transaction.id);
  demand(txid === file.txid, () => `the receipt says it is for the payment ${file.txid}, and proves ${txid}`);
  demand(
    mined.place.workAbove >= leastWork,
    () => {
      return `${mined.place.workAbove} hashes of work lie above the payment, expected at least ${leastWork}`;
    },
    "work",
  );
  return mined;
}

/**
 * What has to be known beside a receipt that holds.
 * @param {object} network
 * @param {{tip: import("./verified_tip.js").VerifiedTip, place: import("./transaction_proof.js").Place}} mined
 * @param {number} now Unix ms
 * @returns {string[]} the gravest first
 */
export function cautions(network, { tip, place }, now) {
  const notes = [];
  if (!shippedNetwork(network.genesisId)) {
    notes.push(
      "Compare the genesis id with the one that you know: work on a network of somebody's own is worth nothing.",
    );
  }
  if (now - tip.tip.time > OLD_MS) notes.push("It is old: the payment may have been left behind since.");
  if (place.workAbove === 0n) notes.push("No work lies above the payment yet: its block may still be replaced.");
  const cost =
    "To forge this would cost about the work above the payment: compare it with what the payment is worth.";
  return [...notes, `${cost} What happened to the chain after its newest block, no receipt can know.`];
}
