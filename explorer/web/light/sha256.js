// SHA-256 (FIPS 180-4) and the tagged hash of BIP340. Synchronous, and so also there where `crypto.subtle` is not: on
// plain HTTP it is missing, and for inputs of some hundred bytes waiting for it costs more than hashing.

import { concat, utf8 } from "./bytes.js";

const K = new Int32Array(64);
const INITIAL = new Int32Array(8);

/** The first 32 bits behind the point of the square roots and cube roots of the first primes. */
function constants() {
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 0x100000000) | 0;
  let found = 0;
  for (let n = 2; found < 64; n += 1) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= n; divisor += 1) prime = prime && n % divisor !== 0;
    if (!prime) continue;
    if (found < 8) INITIAL[found] = fraction(Math.sqrt(n));
    K[found] = fraction(Math.cbrt(n));
    found += 1;
  }
}
constants();

const W = new Int32Array(64);

/** One compression of the 64 bytes from `at` on into `state`. */
function compress(state, bytes, at) {
  for (let i = 0, j = at; i < 16; i += 1, j += 4) {
    W[i] = (bytes[j] << 24) | (bytes[j + 1] << 16) | (bytes[j + 2] << 8) | bytes[j + 3];
  }
  for (let i = 16; i < 64; i += 1) {
    const x = W[i - 15];
    const y = W[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[i] = (W[i - 16] + s0 + W[i - 7] + s1) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

// Nothing below calls anything that hashes, so one buffer and one state serve all.
const block = new Uint8Array(64);
const state = new Int32Array(8);

/** Fills the last block, or the last two: the bits of what was hashed, behind a one and zeros. */
function pad(filled, bytes) {
  block[filled] = 0x80;
  block.fill(0, filled + 1);
  if (filled >= 56) {
    compress(state, block, 0);
    block.fill(0);
  }
  const bits = bytes * 8;
  for (let i = 0, rest = bits; i < 7; i += 1, rest = Math.floor(rest / 256)) block[63 - i] = rest & 255;
  compress(state, block, 0);
}

/** The hash of what was compressed into `start` (`before` bytes, whole blocks) and of `parts` after it. */
function finish(start, before, parts) {
  state.set(start);
  let [filled, bytes] = [0, before];
  for (const part of parts) {
    bytes += part.length;
    let place = 0;
    for (; filled === 0 && place + 64 <= part.length; place += 64) compress(state, part, place);
    for (; place < part.length; place += 1) {
      block[filled] = part[place];
      filled += 1;
      if (filled === 64) {
        compress(state, block, 0);
        filled = 0;
      }
    }
  }
  pad(filled, bytes);
  const hash = new Uint8Array(32);
  for (let i = 0; i < 8; i += 1) {
    hash[4 * i] = state[i] >>> 24;
    hash[4 * i + 1] = state[i] >>> 16;
    hash[4 * i + 2] = state[i] >>> 8;
    hash[4 * i + 3] = state[i];
  }
  return hash;
}

/** @param {...Uint8Array} parts @returns {Uint8Array} `H` of them, one after the other */
export const sha256 = (...parts) => finish(INITIAL, 0, parts);

/**
 * `T(tag, m) = H(H(tag) || H(tag) || m)`. The first block depends on the tag alone and is compressed once.
 * @param {string} tag
 * @returns {(...parts: Uint8Array[]) => Uint8Array}
 */
export function tagged(tag) {
  const half = sha256(utf8(tag));
  const first = INITIAL.slice();
  compress(first, concat(half, half), 0);
  return (...parts) => finish(first, 64, parts);
}
