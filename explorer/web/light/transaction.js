// Transactions: docs/protocol.md, chapter 4.

import { Reader, isZero, toHex } from "./bytes.js";
import { demand, unreadable } from "./errors.js";
import { verifySignature } from "./secp256k1.js";
import { tagged } from "./sha256.js";

const MAX_AMOUNT = 2n ** 53n - 1n;
const MAX_OUTPUTS = 1024;
const MAX_MEMO = 256;
/** The longest transaction. */
export const MAX_TRANSACTION_BYTES = 41_361;
const sighash = tagged("cairn/tx");
const idHash = tagged("cairn/txid");

/**
 * @typedef {object} Transaction
 * @property {Uint8Array} raw
 * @property {Uint8Array} id
 * @property {number} version
 * @property {Uint8Array} sender
 * @property {bigint} nonce
 * @property {bigint} fee @property {bigint} maxPrice pebbles
 * @property {bigint} validUntil the last height; 0 for no limit
 * @property {{to: Uint8Array, amount: bigint}[]} outputs
 * @property {Uint8Array} memo
 * @property {Uint8Array} signature
 */

function amount(reader, what) {
  const value = reader.u64();
  if (value > MAX_AMOUNT) throw unreadable(`the ${what} is ${value} pebbles, expected at most ${MAX_AMOUNT}`);
  return value;
}

/**
 * Reads a transaction that may be followed by other things.
 * @param {Reader} reader
 * @returns {Transaction}
 */
export function readTransaction(reader) {
  const start = reader.place;
  const [version, sender, nonce] = [reader.u8(), reader.take(32), reader.u64()];
  const [fee, maxPrice, validUntil] = [amount(reader, "fee"), amount(reader, "max_price"), reader.u64()];
  const count = reader.count("outputs", 40, MAX_OUTPUTS);
  const outputs = Array.from({ length: count }, () => ({ to: reader.take(32), amount: amount(reader, "amount") }));
  const memo = reader.take(reader.count("bytes of memo", 1, MAX_MEMO));
  const body = reader.bytes.subarray(start, reader.place);
  const signature = reader.take(64);
  const raw = reader.bytes.subarray(start, reader.place);
  const id = idHash(raw);
  return { raw, body, id, version, sender, nonce, fee, maxPrice, validUntil, outputs, memo, signature };
}

/** @param {Uint8Array} bytes @returns {Transaction} */
export function decodeTransaction(bytes) {
  const reader = new Reader(bytes, "transaction");
  const transaction = readTransaction(reader);
  reader.end();
  return transaction;
}

/**
 * Refuses a transaction that can be valid nowhere: its structure first, its signature last.
 * @param {object} network
 * @param {Transaction} transaction
 */
export function checkTransaction(network, transaction) {
  const { version, sender, nonce, outputs, body, signature } = transaction;
  const say = (what) => () => `the transaction ${toHex(transaction.id)} is invalid: ${what}`;
  demand(version === 1, say(`got version ${version}, expected 1`));
  demand(!isZero(sender), say("its sender is zero"));
  demand(nonce !== 2n ** 64n - 1n, say("its nonce is the last there is"));
  demand(outputs.length >= 1, say("it pays nobody"));
  demand(
    outputs.every((output) => output.amount >= 1n),
    say("it pays nothing to somebody"),
  );
  demand(
    outputs.every((output) => !isZero(output.to)),
    say("it pays the zero address"),
  );
  const digest = sighash(network.genesis.id, body);
  demand(verifySignature(sender, digest, signature), say("its signature is not its sender's for this network"));
}

/** @param {Transaction} transaction @returns {bigint} what it pays in all, without its fee */
export const totalPaid = ({ outputs }) => outputs.reduce((sum, output) => sum + output.amount, 0n);
