// Whole blocks: a body is the one that a header commits to, or it is not looked at (docs/protocol.md, 6.2 and 7.3).

import { Reader, equal } from "./bytes.js";
import { demand } from "./errors.js";
import { HEADER_BYTES, readHeader } from "./header.js";
import { txsRoot } from "./merkle.js";
import { readTransaction } from "./transaction.js";

/** The least bytes of a transaction: one output, no memo. */
const LEAST_TRANSACTION = 185;

/**
 * Reads a block and checks that its transactions are those of a proven header.
 * @param {Uint8Array} bytes `header || count || transactions`
 * @param {import("./header.js").Header} proven
 * @returns {{header: import("./header.js").Header, transactions: import("./transaction.js").Transaction[],
 *   size: number}}
 */
export function checkBlock(bytes, proven) {
  const reader = new Reader(bytes, "block");
  const header = readHeader(reader.take(HEADER_BYTES));
  demand(equal(header.id, proven.id), () => "got another block than the one that was asked for");
  const count = reader.count("transactions", LEAST_TRANSACTION);
  const transactions = Array.from({ length: count }, () => readTransaction(reader));
  reader.end();
  const root = txsRoot(transactions.map((transaction) => transaction.id));
  demand(equal(root, proven.txsRoot), () => `the transactions are not those that block ${proven.height} commits to`);
  return { header: proven, transactions, size: bytes.length };
}
