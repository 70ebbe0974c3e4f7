// Payment URIs, `cairn:ADDRESS?amount=1.5&memo=..&label=..`: the form of BIP 21, read strictly. A field that is
// unknown is refused: it may be one that changes what is paid.

import { utf8 } from "./bytes.js";
import { unreadable } from "./errors.js";
import { inert, readAmount, showAmount } from "./text.js";

/** What every payment URI begins with. */
export const SCHEME = "cairn:";
const MAX_URI_BYTES = 2048;
const MAX_MEMO_BYTES = 256;
const MAX_LABEL_BYTES = 128;

/** @typedef {{address: string, amount: bigint|null, memo: string|null, label: string|null}} PaymentUri */

/** @param {string} text @returns {PaymentUri} its address is text: what network it is of is not the URI's to say */
export function readUri(text) {
  const length = utf8(text).length;
  if (length > MAX_URI_BYTES)
    throw unreadable(`the payment URI has ${length} bytes, expected at most ${MAX_URI_BYTES}`);
  if (!text.startsWith(SCHEME)) {
    throw unreadable(`got “${inert(text, 40)}”, expected a payment URI such as cairn:ADDRESS?amount=1.5`);
  }
  const rest = text.slice(SCHEME.length);
  const mark = rest.indexOf("?");
  const uri = { address: mark < 0 ? rest : rest.slice(0, mark), amount: null, memo: null, label: null };
  for (const pair of mark < 0 ? [] : rest.slice(mark + 1).split("&")) readField(uri, pair);
  return uri;
}

function readField(uri, pair) {
  const mark = pair.indexOf("=");
  const [name, value] = [pair.slice(0, Math.max(0, mark)), pair.slice(mark + 1)];
  if (mark < 0 || !["amount", "memo", "label"].includes(name) || uri[name] !== null) {
    throw unreadable(
      `the payment URI has the field “${inert(pair, 40)}”; expected amount, memo and label, each once`,
    );
  }
  try {
    uri[name] =
      name === "amount" ? readAmount(value) : readText(value, name === "memo" ? MAX_MEMO_BYTES : MAX_LABEL_BYTES);
  } catch (error) {
    error.message = `the payment URI's ${name}: ${error.message}`;
    throw error;
  }
}

/** Undoes percent-encoding; everything but RFC 3986's unreserved characters has to be escaped. */
function readText(value, most) {
  if (!/^(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*$/.test(value)) {
    throw unreadable("there are characters that have to be written as % and two hex digits");
  }
  const bytes = [];
  for (let place = 0; place < value.length; place += 1) {
    if (value[place] !== "%") {
      bytes.push(value.charCodeAt(place));
      continue;
    }
    bytes.push(Number.parseInt(value.slice(place + 1, place + 3), 16));
    place += 2;
  }
  if (bytes.length > most) throw unreadable(`got ${bytes.length} bytes, expected at most ${most}`);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw unreadable("it is no text in UTF-8");
  }
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) throw unreadable("it has control characters");
  return text;
}

const escape = (text) =>
  [...utf8(text)]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9._~-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");

/** @param {PaymentUri} uri @returns {string} */
export function writeUri({ address, amount, memo, label }) {
  const fields = [];
  if (amount !== null) fields.push(`amount=${showAmount(amount)}`);
  if (memo !== null) fields.push(`memo=${escape(memo)}`);
  if (label !== null) fields.push(`label=${escape(label)}`);
  return `${SCHEME}${address}${fields.length ? "?" : ""}${fields.join("&")}`;
}
