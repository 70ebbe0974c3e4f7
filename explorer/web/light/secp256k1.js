// The curve secp256k1, and signatures by BIP340. For checking only: nothing here is secret, so nothing has to take
// the same time for every input.

import { bigEndian, concat } from "./bytes.js";
import { tagged } from "./sha256.js";

const P = 2n ** 256n - 2n ** 32n - 977n;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G = {
  x: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  y: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
};
const challengeHash = tagged("BIP0340/challenge");

const mod = (value) => {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
};

function power(base, exponent) {
  let [result, square] = [1n, base];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

/** The point with this x and an even y; null where there is none. */
function liftX(x) {
  if (x >= P) return null;
  const square = mod(x * x * x + 7n);
  const y = power(square, (P + 1n) / 4n);
  if (mod(y * y) !== square) return null;
  return { x, y: y & 1n ? P - y : y };
}

/** @param {Uint8Array} address 32 bytes @returns {boolean} whether it is a public key */
export const isOnCurve = (address) => liftX(bigEndian(address)) !== null;

// Points in Jacobian coordinates: (x / z², y / z³); z = 0 is the point at infinity.
const INFINITY = { x: 1n, y: 1n, z: 0n };

function double({ x, y, z }) {
  if (z === 0n || y === 0n) return INFINITY;
  const yy = mod(y * y);
  const s = mod(4n * x * yy);
  const m = mod(3n * x * x);
  const x3 = mod(m * m - 2n * s);
  return { x: x3, y: mod(m * (s - x3) - 8n * yy * yy), z: mod(2n * y * z) };
}

function add(a, b) {
  if (a.z === 0n) return b;
  if (b.z === 0n) return a;
  const [za, zb] = [mod(a.z * a.z), mod(b.z * b.z)];
  const [ua, ub] = [mod(a.x * zb), mod(b.x * za)];
  const [sa, sb] = [mod(a.y * zb * b.z), mod(b.y * za * a.z)];
  if (ua === ub) return sa === sb ? double(a) : INFINITY;
  const h = mod(ub - ua);
  const r = mod(sb - sa);
  const [hh, v] = [mod(h * h), mod(ua * h * h)];
  const x = mod(r * r - hh * h - 2n * v);
  return { x, y: mod(r * (v - x) - sa * hh * h), z: mod(a.z * b.z * h) };
}

/** `a * p + b * q`, both at once. */
function twice(a, p, b, q) {
  const both = add(p, q);
  let sum = INFINITY;
  for (let bit = 255n; bit >= 0n; bit -= 1n) {
    sum = double(sum);
    const [one, other] = [(a >> bit) & 1n, (b >> bit) & 1n];
    if (one && other) sum = add(sum, both);
    else if (one) sum = add(sum, p);
    else if (other) sum = add(sum, q);
  }
  return sum;
}

/**
 * Whether a signature of BIP340 over `message` is that of `key`.
 * @param {Uint8Array} key 32 bytes
 * @param {Uint8Array} message
 * @param {Uint8Array} signature 64 bytes
 * @returns {boolean}
 */
export function verifySignature(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false;
  const point = liftX(bigEndian(key));
  const [r, s] = [bigEndian(signature.subarray(0, 32)), bigEndian(signature.subarray(32))];
  if (point === null || r >= P || s >= N) return false;
  const challenge = bigEndian(challengeHash(concat(signature.subarray(0, 32), key, message))) % N;
  const sum = twice(s, { ...G, z: 1n }, N - challenge, { ...point, z: 1n });
  if (sum.z === 0n) return false;
  const inverse = power(sum.z, P - 2n);
  const square = mod(inverse * inverse);
  return mod(sum.x * square) === r && (mod(sum.y * square * inverse) & 1n) === 0n;
}
