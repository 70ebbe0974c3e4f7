// What was proven, by the names that a page's figures have (`data-claim`), and their comparison with what the page
// says.

import { anyAddress, showAddress } from "./address.js";
import { fromHex, toHex } from "./bytes.js";
import { ProofError } from "./errors.js";
import { showTarget } from "./targets.js";
import { inert, memoText, plainText, showAmount } from "./text.js";
import { totalPaid } from "./transaction.js";

/** How many figures of one verdict are named. */
const MAX_SHOWN = 8;
/** Figures in pebbles, which are shown as CRN where they differ. */
const AMOUNTS = /^(balance|amount|fee|fees|reward|subsidy|paid|received|max_price)([.@]|$)/;
/** Figures that may be written as an address or as 64 hex digits. */
const ADDRESSES = /^(sender|beneficiary|address|to\.[0-9]+)$/;
/** Figures that are numbers which a page shows in full, if it shows any. */
const NUMBERS =
  /^(balance|amount|fees?|reward|paid|received|max_price|height|nonce|confirmations|transactions|outputs|valid_until|version)([.@]|$)/;
/** Figures of a block for which its whole body is needed. */
export const BODY_FACTS = /^(transactions|size|fees|paid|reward|tx\.[0-9]+)$/;

/**
 * @param {import("./header.js").Header} header
 * @returns {Record<string, string>}
 */
export function headerFacts(header) {
  const { id, version, height, parent, time, target, beneficiary, txsRoot, stateRoot, historyRoot, nonce } = header;
  return {
    id: toHex(id),
    block: toHex(id),
    version: `${version}`,
    height: `${height}`,
    parent: toHex(parent),
    time: `${time}`,
    target: showTarget(target),
    beneficiary: toHex(beneficiary),
    txs_root: toHex(txsRoot),
    state_root: toHex(stateRoot),
    history_root: toHex(historyRoot),
    nonce: `${nonce}`,
  };
}

/**
 * @param {object} network
 * @param {{header: import("./header.js").Header, transactions: object[], size: number}} body
 * @returns {Record<string, string>}
 */
export function bodyFacts(network, { header, transactions, size }) {
  const fees = transactions.reduce((sum, each) => sum + each.fee, 0n);
  const paid = transactions.reduce((sum, each) => sum + totalPaid(each), 0n);
  const subsidy = subsidyAt(network, header.height);
  const facts = {
    transactions: `${transactions.length}`,
    size: `${size}`,
    fees: `${fees}`,
    paid: `${paid}`,
    reward: `${subsidy + fees}`,
  };
  transactions.forEach((each, place) => {
    facts[`tx.${place}`] = toHex(each.id);
  });
  return facts;
}

/** @param {object} network @param {number} height @returns {bigint} what a block adds to the money */
export function subsidyAt({ subsidy, halving }, height) {
  const halvings = BigInt(height) / halving;
  return height === 0 || halvings >= 64n ? 0n : subsidy >> halvings;
}

/**
 * @param {import("./transaction.js").Transaction} transaction
 * @param {import("./transaction_proof.js").Place} place
 * @param {number|null} pageHeight the height from which a page counts confirmations
 * @returns {Record<string, string>}
 */
export function paymentFacts(transaction, { header, confirmations }, pageHeight) {
  const { id, version, sender, nonce, fee, maxPrice, validUntil, outputs, memo, signature, raw } = transaction;
  const facts = {
    id: toHex(id),
    txid: toHex(id),
    tx_version: `${version}`,
    sender: toHex(sender),
    nonce: `${nonce}`,
    fee: `${fee}`,
    max_price: `${maxPrice}`,
    valid_until: `${validUntil}`,
    amount: `${totalPaid(transaction)}`,
    memo: toHex(memo),
    outputs: `${outputs.length}`,
    size: `${raw.length}`,
    signature: toHex(signature),
    height: `${header.height}`,
    block: toHex(header.id),
    time: `${header.time}`,
    confirmations: `${pageHeight === null ? confirmations : pageHeight - header.height + 1}`,
  };
  outputs.forEach(({ to, amount }, place) => {
    facts[`to.${place}`] = toHex(to);
    facts[`amount.${place}`] = `${amount}`;
    const received = `received@${toHex(to)}`;
    facts[received] = `${BigInt(facts[received] ?? 0) + amount}`;
  });
  return facts;
}

/**
 * @param {{balance: bigint, nonce: bigint}|null} account
 * @param {number} height of the block after which it has that
 * @returns {Record<string, string>}
 */
export function accountFacts(account, height) {
  const { balance, nonce } = account ?? { balance: 0n, nonce: 0n };
  return { balance: `${balance}`, nonce: `${nonce}`, exists: `${account !== null}`, height: `${height}` };
}

/** A figure as it is compared: addresses in hex, everything else as it stands. */
function normal(name, value, prefix) {
  if (!ADDRESSES.test(name)) return value;
  try {
    return toHex(anyAddress(value, prefix));
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return value;
  }
}

/** What is received by an address is named by that address, however it is written. */
function normalName(name, prefix) {
  const [first, address] = name.split("@");
  return address === undefined ? name : `${first}@${normal("address", address, prefix)}`;
}

function show(name, value, prefix) {
  if (AMOUNTS.test(name) && /^[0-9]{1,20}$/.test(value)) return `${showAmount(BigInt(value))} CRN`;
  if (ADDRESSES.test(name) && /^[0-9a-f]{64}$/.test(value)) return showAddress(prefix, anyAddress(value, prefix));
  return `“${inert(value, 80)}”`;
}

/** Whether a text is a number and nothing that could be taken for another: in full, its digits grouped or not. */
function isNumberShown(name, value, shown) {
  // What a fee is of each byte stands behind it.
  const plain = name.startsWith("fee") ? shown.replace(/\([^()]*\)$/, "").trim() : shown;
  if (plain === "") return true;
  const whole = plain.replace(/(?<=[0-9])[,'’_ \u00a0\u2009\u202f](?=[0-9]{3}(?:[^0-9]|$))/g, "");
  const parts = /^([^\p{N}]*)([0-9]+(?:\.[0-9]+)?)([^\p{N}]*)$/u.exec(whole);
  if (!parts) return false;
  const [, before, number, behind] = parts;
  const isAmount = AMOUNTS.test(name);
  // “12.5 million CRN” is another amount; “block 10” and “100 blocks deep” are those numbers.
  if (isAmount && !["", "CRN"].includes(`${before}${behind}`.trim())) return false;
  const exact = isAmount && /^[0-9]{1,20}$/.test(value) ? showAmount(BigInt(value)) : value;
  return number.replace(/(\.[0-9]*?)0+$/, "$1").replace(/\.$/, "") === exact;
}

/** What a text would be without what is written out because it hides or reorders others. */
const seen = (text) => plainText(text).replace(/\s+/g, " ").trim();

/** Whether a text is that of a memo: itself, its hex where it is no text, or a word where there is none. */
function isMemoShown(value, shown) {
  if (value === "") return shown === "" || shown === "none";
  const memo = /^(?:[0-9a-f]{2})+$/.test(value) ? memoText(fromHex(value, "memo", 0, value.length / 2)) : null;
  return memo === null ? value === shown.replace(/ \(no text\)$/, "") : seen(memo) === seen(shown);
}

/** Whether a moment, as machines read it, is that of a value in ms, to the second. */
function isMoment(value, shown) {
  const moment = Date.parse(shown);
  return Number.isFinite(moment) && /^[0-9]{1,15}$/.test(value) && Math.floor(Number(value) / 1000) * 1000 === moment;
}

/** Whether a text is an id or an address, whole or without its middle, or a word that cannot be taken for one. */
function isIdShown(value, shown) {
  const ends = /^([0-9a-z]{4,})…([0-9a-z]{4,})$/.exec(shown);
  if (ends) return value.startsWith(ends[1]) && value.endsWith(ends[2]);
  return shown === value || /^[\p{L} ,.’'-]{0,39}$/u.test(shown);
}

/**
 * Whether the text of a figure is that of its exact value: a number in full, whose digits may be grouped, and no other
 * number beside it; an id or address, of which the middle may be left out; a memo; a moment in the form of RFC 3339.
 * Sizes and the like are not compared.
 * @param {string} name
 * @param {string} value
 * @param {string} text
 * @returns {boolean}
 */
export function isShown(name, value, text) {
  const shown = text.replace(/\s+/g, " ").trim();
  if (NUMBERS.test(name)) return isNumberShown(name, value, shown);
  if (name === "memo") return isMemoShown(value, shown);
  if (name === "time") return isMoment(value, shown);
  if (name === "target") return shown === value;
  return !/^[0-9a-z]{40,}$/.test(value) || isIdShown(value, shown);
}

/**
 * Compares a page's figures with what was proven.
 * @param {Record<string, string>} facts
 * @param {[string, string, string?][]} claims name, exact value, and the text that the page shows for it
 * @param {string} prefix of addresses
 * @returns {{wrong: string[], unproven: string[], proven: number}} sentences on those that differ, the names of those
 *   that nothing proves, and how many were compared
 */
export function compareClaims(facts, claims, prefix) {
  const [wrong, unproven] = [[], []];
  let proven = 0;
  for (const [claim, value, text] of claims) {
    const name = normalName(claim, prefix);
    const fact = Object.hasOwn(facts, name) ? facts[name] : name.startsWith("received@") ? "0" : null;
    const called = inert(claim.split("@")[0], 40);
    if (fact === null) {
      unproven.push(called);
      continue;
    }
    proven += 1;
    if (normal(name, value, prefix) !== fact) {
      wrong.push(`it says ${called} ${show(name, value, prefix)}, and ${show(name, fact, prefix)} is proven`);
    } else if (text !== undefined && !isShown(name, value, text)) {
      wrong.push(`it shows ${called} as “${inert(text.trim(), 80)}”, and ${show(name, fact, prefix)} is proven`);
    }
  }
  return { wrong: some(wrong), unproven: some(unproven), proven };
}

/** A few of many sentences. */
function some(texts) {
  return texts.length <= MAX_SHOWN ? texts : [...texts.slice(0, MAX_SHOWN), `and ${texts.length - MAX_SHOWN} more`];
}
