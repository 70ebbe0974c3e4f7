// Bech32m (BIP350): text of 32 bytes with a checksum.

import { unreadable } from "./errors.js";

const CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CONSTANT = 0x2bc830a3;
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM = 6;
/** BIP173 allows no longer text. */
const MAX_LENGTH = 90;

function polymod(values) {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    GENERATOR.forEach((generator, bit) => {
      if ((top >>> bit) & 1) sum ^= generator;
    });
  }
  return sum >>> 0;
}

function expand(prefix) {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

/** @param {string} prefix @param {Uint8Array} bytes @returns {string} */
export function encodeBech32m(prefix, bytes) {
  const data = [];
  let [bits, rest] = [0, 0];
  for (const byte of bytes) {
    rest = (rest << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) data.push((rest >> (bits - 5)) & 31);
    rest &= (1 << bits) - 1;
  }
  if (bits) data.push((rest << (5 - bits)) & 31);
  const sum = polymod([...expand(prefix), ...data, 0, 0, 0, 0, 0, 0]) ^ CONSTANT;
  const checksum = Array.from({ length: CHECKSUM }, (_, place) => (sum >>> (5 * (CHECKSUM - 1 - place))) & 31);
  return `${prefix}1${[...data, ...checksum].map((value) => CHARSET[value]).join("")}`;
}

/**
 * @param {string} text all lower or all upper case
 * @returns {{prefix: string, bytes: Uint8Array}}
 */
export function decodeBech32m(text) {
  if (text.length > MAX_LENGTH) throw unreadable(`got ${text.length} characters, expected at most ${MAX_LENGTH}`);
  if (!/^[!-~]+$/.test(text)) throw unreadable("there are characters that no address has");
  const lower = text.toLowerCase();
  if (lower !== text && text.toUpperCase() !== text) throw unreadable("it mixes upper and lower case");
  const middle = lower.lastIndexOf("1");
  if (middle < 1) throw unreadable("it has no prefix, expected one that ends in 1");
  const prefix = lower.slice(0, middle);
  const values = [...lower.slice(middle + 1)].map((letter) => CHARSET.indexOf(letter));
  if (values.includes(-1)) throw unreadable("there are letters behind the prefix that no address has");
  if (values.length < CHECKSUM) throw unreadable("it is too short");
  if (polymod([...expand(prefix), ...values]) !== CONSTANT)
    throw unreadable("its checksum is wrong: is there a typo?");
  const bytes = [];
  let [bits, rest] = [0, 0];
  for (const value of values.slice(0, -CHECKSUM)) {
    rest = (rest << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((rest >> bits) & 255);
    }
    rest &= (1 << bits) - 1;
  }
  if (bits >= 5 || rest) throw unreadable("the bits that fill up its last letter are not zero");
  return { prefix, bytes: Uint8Array.from(bytes) };
}
