// How amounts, numbers of hashes, ages and text from strangers are shown.

import { unreadable } from "./errors.js";

/** Pebbles in a CRN. */
const PEBBLES = 100_000_000n;
const MAX_AMOUNT = 2n ** 53n - 1n;

/** @param {bigint} pebbles @returns {string} exact, as CRN */
export function showAmount(pebbles) {
  const rest = (pebbles % PEBBLES).toString().padStart(8, "0").replace(/0+$/, "");
  return rest ? `${pebbles / PEBBLES}.${rest}` : `${pebbles / PEBBLES}`;
}

/** @param {string} text CRN with up to eight decimals @returns {bigint} pebbles */
export function readAmount(text) {
  const parts = /^([0-9]{1,9})(?:\.([0-9]{1,8}))?$/.exec(text);
  if (!parts) throw unreadable("expected an amount such as 1.5, with up to eight decimals");
  const amount = BigInt(parts[1]) * PEBBLES + BigInt((parts[2] ?? "").padEnd(8, "0"));
  if (amount > MAX_AMOUNT) throw unreadable(`got ${text} CRN, expected at most ${showAmount(MAX_AMOUNT)}`);
  return amount;
}

/** @param {bigint|number} hashes @returns {string} in short: `812`, `8.1 × 10¹²` */
export function approximate(hashes) {
  const number = Number(hashes);
  if (number < 10_000) return String(Math.round(number));
  const [mantissa, exponent] = number.toExponential(1).split("e+");
  return `${mantissa} × 10${exponent.replace(/./g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`;
}

/** @param {number} ms @returns {string} in its largest whole unit */
export function showAge(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** Control characters, and those that hide or reorder text (bidirectional marks, zero width, tags, line separators). */
const HIDDEN = new RegExp(
  [
    "[",
    String.raw`\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f`,
    String.raw`\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}`,
    String.raw`\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}`,
    "]",
  ].join(""),
  "gu",
);

/**
 * Text from strangers that can be shown beside other text: what would hide or reorder it is written out.
 * @param {string} text
 * @param {number} [most] characters of it
 * @returns {string}
 */
export function inert(text, most = 512) {
  const letters = [...text.slice(0, 2 * most)].slice(0, most).join("");
  const shown = letters.replace(HIDDEN, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);
  return letters.length < text.length ? `${shown}…` : shown;
}

/** @param {string} text @returns {string} without what hides or reorders text, whether it stands there or is written out */
export const plainText = (text) => text.replace(/\\u\{[0-9a-f]{1,6}\}/g, "").replace(HIDDEN, "");

/**
 * A memo as text; null where it is no UTF-8.
 * @param {Uint8Array} bytes
 * @returns {string|null}
 */
export function memoText(bytes) {
  try {
    return inert(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
