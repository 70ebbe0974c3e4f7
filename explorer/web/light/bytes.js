// Bytes: hex, comparison, and the canonical encoding of docs/protocol.md, chapter 3 (fixed-width little-endian).

import { unreadable } from "./errors.js";

const DIGITS = "0123456789abcdef";
const PAIRS = Array.from({ length: 256 }, (_, byte) => DIGITS[byte >> 4] + DIGITS[byte & 15]);
const VALUES = new Int8Array(128).fill(-1);
for (let digit = 0; digit < 16; digit += 1) VALUES[DIGITS.charCodeAt(digit)] = digit;

/** @param {Uint8Array} bytes @returns {string} lower-case hex */
export function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += PAIRS[byte];
  return text;
}

/**
 * Reads lower-case hex; nothing is allocated before the length is known to be allowed.
 * @param {unknown} text
 * @param {string} what the name of it, for the error
 * @param {number} least bytes
 * @param {number} [most] bytes
 * @returns {Uint8Array}
 */
export function fromHex(text, what, least, most = least) {
  if (typeof text !== "string") throw unreadable(`the ${what} is no text, expected hex digits`);
  if (text.length % 2 || text.length < 2 * least || text.length > 2 * most) {
    const expected = least === most ? `${2 * least}` : `an even number from ${2 * least} to ${2 * most}`;
    throw unreadable(`the ${what} has ${text.length} characters, expected ${expected} hex digits`);
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let place = 0; place < bytes.length; place += 1) {
    const high = VALUES[text.charCodeAt(2 * place)] ?? -1;
    const low = VALUES[text.charCodeAt(2 * place + 1)] ?? -1;
    if (high < 0 || low < 0) throw unreadable(`the ${what} has characters that are no lower-case hex digits`);
    bytes[place] = 16 * high + low;
  }
  return bytes;
}

/** @param {Uint8Array} a @param {Uint8Array} b @returns {boolean} */
export const equal = (a, b) => compare(a, b) === 0;

/** @param {Uint8Array} a @param {Uint8Array} b @returns {number} below, at or above 0, as in a dictionary */
export function compare(a, b) {
  const length = Math.min(a.length, b.length);
  for (let place = 0; place < length; place += 1) {
    if (a[place] !== b[place]) return a[place] - b[place];
  }
  return a.length - b.length;
}

/** @param {Uint8Array} bytes @returns {boolean} whether all of them are zero */
export function isZero(bytes) {
  for (const byte of bytes) {
    if (byte !== 0) return false;
  }
  return true;
}

/** @param {...Uint8Array} parts @returns {Uint8Array} one after the other */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** @param {Uint8Array} bytes 32 of them @returns {bigint} read big-endian */
export function bigEndian(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  const high = (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
  return high === 0n && view.getBigUint64(16) === 0n
    ? view.getBigUint64(24)
    : (high << 128n) | (view.getBigUint64(16) << 64n) | view.getBigUint64(24);
}

/** @param {bigint} value below 2^256 @returns {Uint8Array} 32 bytes, big-endian */
export function toBigEndian(value) {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  // `setBigUint64` takes the lowest 64 bits.
  for (let place = 24, rest = value; rest > 0n; place -= 8, rest >>= 64n) view.setBigUint64(place, rest);
  return bytes;
}

/** @param {bigint|number} value @returns {Uint8Array} a `u64`, little-endian */
export function u64(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** @param {number} value @returns {Uint8Array} a `u32`, little-endian */
export function u32(value) {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

/** @param {string} text @returns {Uint8Array} its UTF-8 */
export const utf8 = (text) => new TextEncoder().encode(text);

/** Reads one object from bytes: in order, never beyond the end, and with nothing left over. */
export class Reader {
  /** @param {Uint8Array} bytes @param {string} what what they are, for errors */
  constructor(bytes, what) {
    this.bytes = bytes;
    this.what = what;
    this.place = 0;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @returns {number} bytes that were not read */
  get left() {
    return this.bytes.length - this.place;
  }

  #advance(length) {
    if (length > this.left) {
      throw unreadable(`the ${this.what} ends at byte ${this.bytes.length}, expected ${length - this.left} more`);
    }
    this.place += length;
    return this.place - length;
  }

  /** @param {number} length @returns {Uint8Array} a view, not a copy */
  take(length) {
    const start = this.#advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** @returns {number} */
  u8() {
    return this.view.getUint8(this.#advance(1));
  }

  /** @returns {number} */
  u16() {
    return this.view.getUint16(this.#advance(2), true);
  }

  /** @returns {number} */
  u32() {
    return this.view.getUint32(this.#advance(4), true);
  }

  /** @returns {bigint} */
  u64() {
    return this.view.getBigUint64(this.#advance(8), true);
  }

  /**
   * The length of a list, which has to fit what is left: no list is allocated on its word alone.
   * @param {string} what its elements
   * @param {number} size the least bytes of an element
   * @param {number} [most] elements
   * @returns {number}
   */
  count(what, size, most = Number.MAX_SAFE_INTEGER) {
    const claimed = this.u64();
    if (claimed > BigInt(most))
      throw unreadable(`the ${this.what} claims ${claimed} ${what}, expected at most ${most}`);
    if (claimed * BigInt(size) > BigInt(this.left)) {
      throw unreadable(`the ${this.what} claims ${claimed} ${what}, and has ${this.left} bytes left for them`);
    }
    return Number(claimed);
  }

  /** Refuses bytes that are left over. */
  end() {
    if (this.left) throw unreadable(`the ${this.what} has ${this.left} bytes left over, expected none`);
  }
}
