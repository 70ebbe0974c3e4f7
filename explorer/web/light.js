// Made by tools/bundle.mjs from light/worker.js and the modules that it needs. Do not edit.
"use strict";
(() => {
const errors_module = (() => {
class ProofError extends Error {
constructor(message, kind = "lie", rule = "refused") {
super(message);
this.name = "ProofError";
this.kind = kind;
this.rule = rule;
}
}
const unreadable = (message) => new ProofError(message, "lie", "decode");
const failure = (message, rule = "failure") => new ProofError(message, "failure", rule);
function demand(holds, message, rule) {
if (!holds) throw new ProofError(message(), "lie", rule);
}
return { ProofError, unreadable, failure, demand };
})();

const bech32m_module = (() => {
const { unreadable } = errors_module;
const CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CONSTANT = 0x2bc830a3;
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM = 6;
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
function encodeBech32m(prefix, bytes) {
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
function decodeBech32m(text) {
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
return { encodeBech32m, decodeBech32m };
})();

const bytes_module = (() => {
const { unreadable } = errors_module;
const DIGITS = "0123456789abcdef";
const PAIRS = Array.from({ length: 256 }, (_, byte) => DIGITS[byte >> 4] + DIGITS[byte & 15]);
const VALUES = new Int8Array(128).fill(-1);
for (let digit = 0; digit < 16; digit += 1) VALUES[DIGITS.charCodeAt(digit)] = digit;
function toHex(bytes) {
let text = "";
for (const byte of bytes) text += PAIRS[byte];
return text;
}
function fromHex(text, what, least, most = least) {
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
const equal = (a, b) => compare(a, b) === 0;
function compare(a, b) {
const length = Math.min(a.length, b.length);
for (let place = 0; place < length; place += 1) {
if (a[place] !== b[place]) return a[place] - b[place];
}
return a.length - b.length;
}
function isZero(bytes) {
for (const byte of bytes) {
if (byte !== 0) return false;
}
return true;
}
function concat(...parts) {
const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
let place = 0;
for (const part of parts) {
whole.set(part, place);
place += part.length;
}
return whole;
}
function bigEndian(bytes) {
const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
const high = (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
return high === 0n && view.getBigUint64(16) === 0n
? view.getBigUint64(24)
: (high << 128n) | (view.getBigUint64(16) << 64n) | view.getBigUint64(24);
}
function toBigEndian(value) {
const bytes = new Uint8Array(32);
const view = new DataView(bytes.buffer);
for (let place = 24, rest = value; rest > 0n; place -= 8, rest >>= 64n) view.setBigUint64(place, rest);
return bytes;
}
function u64(value) {
const bytes = new Uint8Array(8);
new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
return bytes;
}
function u32(value) {
return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}
const utf8 = (text) => new TextEncoder().encode(text);
class Reader {
constructor(bytes, what) {
this.bytes = bytes;
this.what = what;
this.place = 0;
this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
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
take(length) {
const start = this.#advance(length);
return this.bytes.subarray(start, start + length);
}
u8() {
return this.view.getUint8(this.#advance(1));
}
u16() {
return this.view.getUint16(this.#advance(2), true);
}
u32() {
return this.view.getUint32(this.#advance(4), true);
}
u64() {
return this.view.getBigUint64(this.#advance(8), true);
}
count(what, size, most = Number.MAX_SAFE_INTEGER) {
const claimed = this.u64();
if (claimed > BigInt(most))
throw unreadable(`the ${this.what} claims ${claimed} ${what}, expected at most ${most}`);
if (claimed * BigInt(size) > BigInt(this.left)) {
throw unreadable(`the ${this.what} claims ${claimed} ${what}, and has ${this.left} bytes left for them`);
}
return Number(claimed);
}
end() {
if (this.left) throw unreadable(`the ${this.what} has ${this.left} bytes left over, expected none`);
}
}
return { toHex, fromHex, equal, compare, isZero, concat, bigEndian, toBigEndian, u64, u32, utf8, Reader };
})();

const sha256_module = (() => {
const { concat, utf8 } = bytes_module;
const K = new Int32Array(64);
const INITIAL = new Int32Array(8);
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
const block = new Uint8Array(64);
const state = new Int32Array(8);
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
const sha256 = (...parts) => finish(INITIAL, 0, parts);
function tagged(tag) {
const half = sha256(utf8(tag));
const first = INITIAL.slice();
compress(first, concat(half, half), 0);
return (...parts) => finish(first, 64, parts);
}
return { sha256, tagged };
})();

const secp256k1_module = (() => {
const { bigEndian, concat } = bytes_module;
const { tagged } = sha256_module;
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
function liftX(x) {
if (x >= P) return null;
const square = mod(x * x * x + 7n);
const y = power(square, (P + 1n) / 4n);
if (mod(y * y) !== square) return null;
return { x, y: y & 1n ? P - y : y };
}
const isOnCurve = (address) => liftX(bigEndian(address)) !== null;
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
function verifySignature(key, message, signature) {
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
return { isOnCurve, verifySignature };
})();

const address_module = (() => {
const { decodeBech32m, encodeBech32m } = bech32m_module;
const { fromHex } = bytes_module;
const { unreadable } = errors_module;
const { isOnCurve } = secp256k1_module;
const showAddress = (prefix, address) => encodeBech32m(prefix, address);
function readAddress(text, prefix) {
const address = decodeBech32m(text);
if (prefix !== undefined && address.prefix !== prefix) {
throw unreadable(`the address begins with ${address.prefix}1, expected ${prefix}1: it is of another network`);
}
if (address.bytes.length !== 32) throw unreadable(`the address has ${address.bytes.length} bytes, expected 32`);
if (!isOnCurve(address.bytes))
throw unreadable("the address is no public key: nobody could spend what it receives");
return address;
}
function anyAddress(text, prefix) {
return /^[0-9a-f]{64}$/.test(text) ? fromHex(text, "address", 32) : readAddress(text, prefix).bytes;
}
return { showAddress, readAddress, anyAddress };
})();

const targets_module = (() => {
const { demand } = errors_module;
const LIMIT = 1n << 256n;
function bitLength(value) {
const digits = value.toString(16);
return 4 * digits.length - Math.clz32(Number.parseInt(digits[0], 16)) + 28;
}
const showTarget = (bits) => bits.toString(16).padStart(8, "0");
function compact(value) {
let size = Math.ceil(bitLength(value) / 8);
let mantissa = Number(size > 3 ? value >> BigInt(8 * (size - 3)) : value << BigInt(8 * (3 - size)));
if (mantissa & 0x800000) {
mantissa >>= 8;
size += 1;
}
return size * 0x1000000 + mantissa;
}
function decodeTarget(bits) {
const size = bits >>> 24;
const mantissa = bits & 0xffffff;
if (mantissa & 0x800000 || size > 33) return null;
const value = size > 3 ? BigInt(mantissa) << BigInt(8 * (size - 3)) : BigInt(mantissa) >> BigInt(8 * (3 - size));
return value > 0n && value < LIMIT && compact(value) === bits ? value : null;
}
const work = (target) => LIMIT / (target + 1n);
function workOf(bits) {
const target = decodeTarget(bits);
demand(target !== null, () => `got the target ${showTarget(bits)}, which is not in normal form`);
return work(target);
}
function addWork(a, b) {
const sum = a + b;
demand(sum < LIMIT, () => "the work adds up to more than 256 bits");
return sum;
}
function floorDiv(a, b) {
const quotient = a / b;
return a % b < 0n ? quotient - 1n : quotient;
}
function stepTarget(network, bits, gap) {
const capped = gap < network.halfLifeMs ? gap : network.halfLifeMs;
const exponent = floorDiv((capped - network.intervalMs) * 65536n, network.halfLifeMs);
const whole = floorDiv(exponent, 65536n);
const f = exponent - 65536n * whole;
const cubic = 195766423245049n * f + 971821376n * f * f + 5127n * f * f * f + (1n << 47n);
const factor = 65536n + (cubic >> 48n);
let value = (decodeTarget(bits) * factor) >> (16n - whole);
if (value < 1n) value = 1n;
if (value > network.powLimitValue) value = network.powLimitValue;
return compact(value);
}
function nextTarget(network, height, bits, before, time) {
return height < 2 ? network.genesisTarget : stepTarget(network, bits, BigInt(time) - BigInt(before));
}
return { LIMIT, bitLength, showTarget, compact, decodeTarget, work, workOf, addWork, floorDiv, stepTarget, nextTarget };
})();

const text_module = (() => {
const { unreadable } = errors_module;
const PEBBLES = 100_000_000n;
const MAX_AMOUNT = 2n ** 53n - 1n;
function showAmount(pebbles) {
const rest = (pebbles % PEBBLES).toString().padStart(8, "0").replace(/0+$/, "");
return rest ? `${pebbles / PEBBLES}.${rest}` : `${pebbles / PEBBLES}`;
}
function readAmount(text) {
const parts = /^([0-9]{1,9})(?:\.([0-9]{1,8}))?$/.exec(text);
if (!parts) throw unreadable("expected an amount such as 1.5, with up to eight decimals");
const amount = BigInt(parts[1]) * PEBBLES + BigInt((parts[2] ?? "").padEnd(8, "0"));
if (amount > MAX_AMOUNT) throw unreadable(`got ${text} CRN, expected at most ${showAmount(MAX_AMOUNT)}`);
return amount;
}
function approximate(hashes) {
const number = Number(hashes);
if (number < 10_000) return String(Math.round(number));
const [mantissa, exponent] = number.toExponential(1).split("e+");
return `${mantissa} × 10${exponent.replace(/./g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`;
}
function showAge(ms) {
const seconds = Math.max(0, Math.floor(ms / 1000));
if (seconds < 120) return `${seconds} s`;
if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
return `${Math.floor(seconds / 86_400)} days`;
}
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
function inert(text, most = 512) {
const letters = [...text.slice(0, 2 * most)].slice(0, most).join("");
const shown = letters.replace(HIDDEN, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);
return letters.length < text.length ? `${shown}…` : shown;
}
const plainText = (text) => text.replace(/\\u\{[0-9a-f]{1,6}\}/g, "").replace(HIDDEN, "");
function memoText(bytes) {
try {
return inert(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
} catch (error) {
if (error instanceof TypeError) return null;
throw error;
}
}
return { showAmount, readAmount, approximate, showAge, inert, plainText, memoText };
})();

const transaction_module = (() => {
const { Reader, isZero, toHex } = bytes_module;
const { demand, unreadable } = errors_module;
const { verifySignature } = secp256k1_module;
const { tagged } = sha256_module;
const MAX_AMOUNT = 2n ** 53n - 1n;
const MAX_OUTPUTS = 1024;
const MAX_MEMO = 256;
const MAX_TRANSACTION_BYTES = 41_361;
const sighash = tagged("cairn/tx");
const idHash = tagged("cairn/txid");
function amount(reader, what) {
const value = reader.u64();
if (value > MAX_AMOUNT) throw unreadable(`the ${what} is ${value} pebbles, expected at most ${MAX_AMOUNT}`);
return value;
}
function readTransaction(reader) {
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
function decodeTransaction(bytes) {
const reader = new Reader(bytes, "transaction");
const transaction = readTransaction(reader);
reader.end();
return transaction;
}
function checkTransaction(network, transaction) {
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
const totalPaid = ({ outputs }) => outputs.reduce((sum, output) => sum + output.amount, 0n);
return { MAX_TRANSACTION_BYTES, readTransaction, decodeTransaction, checkTransaction, totalPaid };
})();

const facts_module = (() => {
const { anyAddress, showAddress } = address_module;
const { fromHex, toHex } = bytes_module;
const { ProofError } = errors_module;
const { showTarget } = targets_module;
const { inert, memoText, plainText, showAmount } = text_module;
const { totalPaid } = transaction_module;
const MAX_SHOWN = 8;
const AMOUNTS = /^(balance|amount|fee|fees|reward|subsidy|paid|received|max_price)([.@]|$)/;
const ADDRESSES = /^(sender|beneficiary|address|to\.[0-9]+)$/;
const NUMBERS =
/^(balance|amount|fees?|reward|paid|received|max_price|height|nonce|confirmations|transactions|outputs|valid_until|version)([.@]|$)/;
const BODY_FACTS = /^(transactions|size|fees|paid|reward|tx\.[0-9]+)$/;
function headerFacts(header) {
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
function bodyFacts(network, { header, transactions, size }) {
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
function subsidyAt({ subsidy, halving }, height) {
const halvings = BigInt(height) / halving;
return height === 0 || halvings >= 64n ? 0n : subsidy >> halvings;
}
function paymentFacts(transaction, { header, confirmations }, pageHeight) {
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
function accountFacts(account, height) {
const { balance, nonce } = account ?? { balance: 0n, nonce: 0n };
return { balance: `${balance}`, nonce: `${nonce}`, exists: `${account !== null}`, height: `${height}` };
}
function normal(name, value, prefix) {
if (!ADDRESSES.test(name)) return value;
try {
return toHex(anyAddress(value, prefix));
} catch (error) {
if (!(error instanceof ProofError)) throw error;
return value;
}
}
function normalName(name, prefix) {
const [first, address] = name.split("@");
return address === undefined ? name : `${first}@${normal("address", address, prefix)}`;
}
function show(name, value, prefix) {
if (AMOUNTS.test(name) && /^[0-9]{1,20}$/.test(value)) return `${showAmount(BigInt(value))} CRN`;
if (ADDRESSES.test(name) && /^[0-9a-f]{64}$/.test(value)) return showAddress(prefix, anyAddress(value, prefix));
return `“${inert(value, 80)}”`;
}
function isNumberShown(name, value, shown) {
const plain = name.startsWith("fee") ? shown.replace(/\([^()]*\)$/, "").trim() : shown;
if (plain === "") return true;
const whole = plain.replace(/(?<=[0-9])[,'’_ \u00a0\u2009\u202f](?=[0-9]{3}(?:[^0-9]|$))/g, "");
const parts = /^([^\p{N}]*)([0-9]+(?:\.[0-9]+)?)([^\p{N}]*)$/u.exec(whole);
if (!parts) return false;
const [, before, number, behind] = parts;
const isAmount = AMOUNTS.test(name);
if (isAmount && !["", "CRN"].includes(`${before}${behind}`.trim())) return false;
const exact = isAmount && /^[0-9]{1,20}$/.test(value) ? showAmount(BigInt(value)) : value;
return number.replace(/(\.[0-9]*?)0+$/, "$1").replace(/\.$/, "") === exact;
}
const seen = (text) => plainText(text).replace(/\s+/g, " ").trim();
function isMemoShown(value, shown) {
if (value === "") return shown === "" || shown === "none";
const memo = /^(?:[0-9a-f]{2})+$/.test(value) ? memoText(fromHex(value, "memo", 0, value.length / 2)) : null;
return memo === null ? value === shown.replace(/ \(no text\)$/, "") : seen(memo) === seen(shown);
}
function isMoment(value, shown) {
const moment = Date.parse(shown);
return Number.isFinite(moment) && /^[0-9]{1,15}$/.test(value) && Math.floor(Number(value) / 1000) * 1000 === moment;
}
function isIdShown(value, shown) {
const ends = /^([0-9a-z]{4,})…([0-9a-z]{4,})$/.exec(shown);
if (ends) return value.startsWith(ends[1]) && value.endsWith(ends[2]);
return shown === value || /^[\p{L} ,.’'-]{0,39}$/u.test(shown);
}
function isShown(name, value, text) {
const shown = text.replace(/\s+/g, " ").trim();
if (NUMBERS.test(name)) return isNumberShown(name, value, shown);
if (name === "memo") return isMemoShown(value, shown);
if (name === "time") return isMoment(value, shown);
if (name === "target") return shown === value;
return !/^[0-9a-z]{40,}$/.test(value) || isIdShown(value, shown);
}
function compareClaims(facts, claims, prefix) {
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
function some(texts) {
return texts.length <= MAX_SHOWN ? texts : [...texts.slice(0, MAX_SHOWN), `and ${texts.length - MAX_SHOWN} more`];
}
return { BODY_FACTS, headerFacts, bodyFacts, subsidyAt, paymentFacts, accountFacts, isShown, compareClaims };
})();

const header_module = (() => {
const { Reader, bigEndian, isZero } = bytes_module;
const { ProofError, demand } = errors_module;
const { sha256, tagged } = sha256_module;
const { decodeTarget, showTarget } = targets_module;
const HEADER_BYTES = 190;
const sealHash = tagged("cairn/seal");
function readHeader(bytes) {
const reader = new Reader(bytes, "header");
const version = reader.u16();
const height = Number(reader.u64());
const parent = reader.take(32);
const time = Number(reader.u64());
const target = reader.u32();
const [beneficiary, txsRoot, stateRoot, historyRoot] = [0, 1, 2, 3].map(() => reader.take(32));
const nonce = reader.u64();
reader.end();
const id = headerId(bytes);
return {
raw: bytes,
id,
version,
height,
parent,
time,
target,
beneficiary,
txsRoot,
stateRoot,
historyRoot,
nonce,
};
}
const headerSeal = (raw) => sealHash(raw.subarray(0, HEADER_BYTES - 8));
function headerId(raw) {
return sha256(sha256(headerSeal(raw), raw.subarray(HEADER_BYTES - 8)));
}
function splitHeaders(bytes, count) {
const at = (place) => bytes.subarray(place * HEADER_BYTES, (place + 1) * HEADER_BYTES);
return Array.from({ length: count }, (_, place) => readHeader(at(place)));
}
function checkAlone(network, header) {
const where = `block ${header.height}`;
demand(!isZero(header.beneficiary), () => `${where} has no beneficiary`);
const target = decodeTarget(header.target);
demand(target !== null, () => `${where} has the target ${showTarget(header.target)}, which is not in normal form`);
demand(target <= network.powLimitValue, () => {
return `${where} has the target ${showTarget(header.target)}, expected at most ${showTarget(network.powLimit)}`;
});
demand(bigEndian(header.id) <= target, () => `the id of ${where} does not meet its target: nobody worked for it`);
}
function checkVersion(network, header) {
const expected = network.versionAt(header.height);
if (header.version === expected) return;
const text =
`block ${header.height} has version ${header.version}, expected ${expected}: it was made under rules ` +
"that this page does not know";
throw new ProofError(text, "failure", "version");
}
return { HEADER_BYTES, readHeader, headerSeal, headerId, splitHeaders, checkAlone, checkVersion };
})();

const merkle_module = (() => {
const { Reader, equal } = bytes_module;
const { demand } = errors_module;
const { sha256 } = sha256_module;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const MAX_COUNT = 2 ** 48;
const MAX_PATH = 64;
const nodeHash = (left, right) => sha256(NODE, left, right);
function split(count) {
let size = 1;
while (size * 2 < count) size *= 2;
return size;
}
function siblingSides(index, count) {
const sides = [];
for (let [place, rest] = [index, count]; rest > 1;) {
const left = split(rest);
const isLeft = place >= left;
sides.push(isLeft);
[place, rest] = isLeft ? [place - left, rest - left] : [place, left];
}
return sides.reverse();
}
function txsRoot(txids) {
if (!txids.length) return sha256();
const root = (from, to) => {
if (to - from === 1) return sha256(LEAF, txids[from]);
const middle = from + split(to - from);
return nodeHash(root(from, middle), root(middle, to));
};
return root(0, txids.length);
}
function readInclusion(reader) {
const [count, index] = [reader.u64(), reader.u64()];
const length = reader.count("hashes", 32, MAX_PATH);
return { count, index, path: Array.from({ length }, () => reader.take(32)) };
}
function checkInclusion({ count, index, path }, txid, root) {
demand(index < count, () => `got place ${index} in a block of ${count} transactions`);
demand(count <= BigInt(MAX_COUNT), () => `got a block of ${count} transactions, expected at most ${MAX_COUNT}`);
const sides = siblingSides(Number(index), Number(count));
demand(path.length === sides.length, () => {
return `got ${path.length} hashes for place ${index} of ${count} transactions, expected ${sides.length}`;
});
let hash = sha256(LEAF, txid);
path.forEach((sibling, level) => {
hash = sides[level] ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
});
demand(equal(hash, root), () => "the transaction is not in the block: its path leads to another root");
}
return { MAX_PATH, nodeHash, split, siblingSides, txsRoot, readInclusion, checkInclusion };
})();

const history_module = (() => {
const { Reader, concat, toBigEndian, bigEndian, u32, u64, equal, toHex } = bytes_module;
const { demand } = errors_module;
const { siblingSides } = merkle_module;
const { tagged } = sha256_module;
const { addWork, showTarget } = targets_module;
const NODE_BYTES = 80;
const mergeHash = tagged("cairn/mmr");
const rootHash = tagged("cairn/history");
function readNode(raw) {
const reader = new Reader(raw, "node of the history");
reader.take(32);
const work = bigEndian(reader.take(32));
const lastTime = Number(reader.u64());
return { raw, work, lastTime, firstTarget: reader.u32(), nextTarget: reader.u32() };
}
function leafOf(header, work, nextTarget) {
const time = header.raw.subarray(42, 50);
const raw = concat(header.id, toBigEndian(work), time, u32(header.target), u32(nextTarget));
return { raw, work, lastTime: header.time, firstTarget: header.target, nextTarget };
}
function checkJoin(left, right) {
demand(left.nextTarget === right.firstTarget, () => {
return (
`a part of the history begins with the target ${showTarget(right.firstTarget)}, and the part before it ` +
`demands ${showTarget(left.nextTarget)}`
);
});
demand(left.lastTime < right.lastTime, () => {
return `a part of the history ends at ${right.lastTime} ms, and the part before it at ${left.lastTime} ms`;
});
}
function merge(left, right) {
checkJoin(left, right);
const work = addWork(left.work, right.work);
const raw = new Uint8Array(NODE_BYTES);
raw.set(mergeHash(left.raw, right.raw));
raw.set(toBigEndian(work), 32);
raw.set(right.raw.subarray(64), 64);
raw.set(left.raw.subarray(72, 76), 72);
const { lastTime, nextTarget } = right;
return { raw, work, lastTime, firstTarget: left.firstTarget, nextTarget };
}
class History {
constructor(count = 0, peaks = []) {
this.count = count;
this.peaks = peaks;
}
clone() {
return new History(this.count, this.peaks.slice());
}
get last() {
return this.peaks[this.peaks.length - 1];
}
get work() {
return this.peaks.reduce((sum, peak) => addWork(sum, peak.work), 0n);
}
append(node, size = 1) {
if (this.last) checkJoin(this.last, node);
let [tree, length] = [node, size];
while (Math.floor(this.count / length) % 2 === 1) {
tree = merge(this.peaks.pop(), tree);
this.count -= length;
length *= 2;
}
this.peaks.push(tree);
this.count += length;
}
root() {
if (!this.count) return new Uint8Array(32);
const whole = this.peaks.reduceRight((right, left) => (right ? merge(left, right) : left), null);
return rootHash(u64(this.count), whole.raw);
}
}
function checkPlace(leaf, height, siblings, count, root) {
demand(height < count, () => `block ${height} is not below block ${count}`);
const sides = siblingSides(height, count);
demand(siblings.length === sides.length, () => {
return `got ${siblings.length} nodes for block ${height} of ${count}, expected ${sides.length}`;
});
let [node, before] = [leaf, 0n];
siblings.forEach((sibling, level) => {
if (sides[level]) before = addWork(before, sibling.work);
node = sides[level] ? merge(sibling, node) : merge(node, sibling);
});
demand(equal(rootHash(u64(count), node.raw), root), () => {
const id = toHex(leaf.raw.subarray(0, 32));
return `block ${height} (${id}) is not on the chain: its path leads to another history`;
});
return before;
}
return { NODE_BYTES, readNode, leafOf, merge, History, checkPlace };
})();

const accounts_module = (() => {
const { Reader, compare, concat, equal, isZero, u64 } = bytes_module;
const { demand, unreadable } = errors_module;
const { nodeHash } = merkle_module;
const { sha256, tagged } = sha256_module;
const MAX_ACCOUNT_PROOF_BYTES = 4096;
const LEAF = Uint8Array.of(0);
const MISSING = new Uint8Array(32);
const MAX_AMOUNT = 2n ** 53n - 1n;
const stateHash = tagged("cairn/state");
const depthOf = (count) => (count <= 1n ? 0 : (count - 1n).toString(2).length);
const leafHash = (leaf) => sha256(LEAF, leaf);
function stateRoot(leaves) {
let level = leaves.map(leafHash);
let size = 2 ** depthOf(BigInt(leaves.length));
for (; size > 1; size /= 2) {
level = Array.from({ length: size / 2 }, (_, i) =>
nodeHash(level[2 * i] ?? MISSING, level[2 * i + 1] ?? MISSING),
);
}
return stateHash(u64(leaves.length), level[0]);
}
function stateRootOf(allocations) {
const all = [{ address: MISSING, amount: 0n }, ...allocations];
const next = (place) => all[place + 1]?.address ?? MISSING;
return stateRoot(all.map(({ address, amount }, place) => concat(address, next(place), u64(amount), u64(0))));
}
function readProof(bytes) {
const reader = new Reader(bytes, "account proof");
const [count, index, leaf] = [reader.u64(), reader.u64(), reader.take(80)];
const length = reader.count("siblings", 32, 64);
const path = Array.from({ length }, () => reader.take(32));
reader.end();
const fields = new Reader(leaf, "leaf");
const [address, next, balance, nonce] = [fields.take(32), fields.take(32), fields.u64(), fields.u64()];
if (balance > MAX_AMOUNT) throw unreadable(`the leaf has the balance ${balance}, expected at most ${MAX_AMOUNT}`);
return { count, index, leaf, path, address, next, balance, nonce };
}
function checkPath({ count, index, leaf, path }, root) {
demand(index < count, () => `got leaf ${index} of ${count} accounts`);
demand(path.length === depthOf(count), () => {
return `got ${path.length} siblings in a tree of ${count} accounts, expected ${depthOf(count)}`;
});
let hash = leafHash(leaf);
path.forEach((sibling, level) => {
hash = (index >> BigInt(level)) & 1n ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
});
demand(equal(stateHash(u64(count), hash), root), () => "its path leads to another state root");
}
function checkAccount(bytes, address, root) {
demand(
bytes.length <= MAX_ACCOUNT_PROOF_BYTES,
() => {
return `the account proof has ${bytes.length} bytes, expected at most ${MAX_ACCOUNT_PROOF_BYTES}`;
},
"decode",
);
const proof = readProof(bytes);
demand(!isZero(address), () => "no proof says anything about the zero address");
checkPath(proof, root);
if (equal(proof.address, address)) return { balance: proof.balance, nonce: proof.nonce };
const spans = compare(proof.address, address) < 0 && (isZero(proof.next) || compare(address, proof.next) < 0);
demand(spans, () => "it proves another account, and says nothing about this one");
return null;
}
return { MAX_ACCOUNT_PROOF_BYTES, leafHash, stateRoot, stateRootOf, checkAccount };
})();

const upgrades_module = (() => {
const { Reader, concat, u64, utf8 } = bytes_module;
const { demand } = errors_module;
const { tagged } = sha256_module;
const rulesHash = tagged("cairn/rules");
const MAX_UPGRADES = 256;
function readUpgrades(bytes) {
const reader = new Reader(bytes, "list of upgrades");
const text = (most) => String.fromCharCode(...reader.take(reader.count("bytes", 1, most)));
const number = () => {
const length = reader.count("bytes", 1, 8);
demand(length === 0 || length === 8, () => `a number of ${length} bytes in the list of upgrades`, "decode");
return length ? reader.u64() : undefined;
};
const upgrades = [];
while (reader.left) {
demand(upgrades.length < MAX_UPGRADES, () => `got more than ${MAX_UPGRADES} upgrades`, "decode");
const [height, name] = [reader.u64(), text(32)];
const [maxBlockBytes, maxNewAccounts, accountPrice] = [number(), number(), number()];
upgrades.push({ height, name, maxBlockBytes, maxNewAccounts, accountPrice, feature: text(32) || undefined });
}
return upgrades;
}
function inBounds({ maxBlockBytes = 42_000n, maxNewAccounts = 1024n, accountPrice = 0n }) {
return (
maxNewAccounts >= 1024n && 42_000n <= maxBlockBytes && maxBlockBytes <= 3n << 20n && accountPrice <= 1n << 43n
);
}
function checkUpgrades(upgrades) {
let before = 2n;
for (const upgrade of upgrades) {
const { height, name, maxBlockBytes, maxNewAccounts, accountPrice, feature } = upgrade;
const say = (what) => () => `the upgrade at height ${height}: ${what}`;
demand(height > before, say("heights have to be at least 3 and to rise"));
demand(/^[a-z0-9-]{1,32}$/.test(name), say("the name is not 1 to 32 lower-case letters, digits or hyphens"));
demand(
[maxBlockBytes, maxNewAccounts, accountPrice].some((value) => value !== undefined),
say("it changes nothing"),
);
demand(inBounds(upgrade), say("a bound of blocks or the price of accounts is out of range"));
demand(feature === undefined, say("this page knows no such feature"));
before = height;
}
}
function versionsOf(genesisId, upgrades) {
const field = (value = "") => {
const bytes = typeof value === "string" ? utf8(value) : u64(value);
return concat(u64(bytes.length), bytes);
};
let known = genesisId;
return upgrades.map(({ height, name, maxBlockBytes, maxNewAccounts, accountPrice, feature }) => {
const fields = [name, maxBlockBytes, maxNewAccounts, accountPrice, feature].map((value) => field(value));
known = concat(known, u64(height), ...fields);
const id = rulesHash(known);
return { from: height, version: Math.max(2, id[0] + 256 * id[1]) };
});
}
return { readUpgrades, inBounds, checkUpgrades, versionsOf };
})();

const network_module = (() => {
const { Reader, compare, concat, equal, isZero, toHex, u32, u64, utf8 } = bytes_module;
const { demand } = errors_module;
const { headerId, readHeader } = header_module;
const { leafOf } = history_module;
const { txsRoot } = merkle_module;
const { stateRootOf } = accounts_module;
const { isOnCurve } = secp256k1_module;
const { tagged } = sha256_module;
const { decodeTarget, showTarget } = targets_module;
const { checkUpgrades, inBounds, versionsOf } = upgrades_module;
const MAX_AMOUNT = 2n ** 53n - 1n;
const chainHash = tagged("cairn/chain");
const NUMBERS = [
"intervalMs",
"halfLifeMs",
"maxFutureMs",
"maxBlockBytes",
"maxNewAccounts",
"accountPrice",
"subsidy",
"halving",
"genesisTime",
];
function encodeParams(params) {
const text = (value) => concat(u64(utf8(value).length), utf8(value));
const numbers = NUMBERS.map((name) => u64(params[name]));
const allocations = params.allocations.map(({ address, amount }) => concat(address, u64(amount)));
return concat(
text(params.name),
text(params.prefix),
...numbers,
u32(params.powLimit),
u32(params.genesisTarget),
u64(allocations.length),
...allocations,
);
}
function readParams(bytes) {
const reader = new Reader(bytes, "network");
const text = (most) => String.fromCharCode(...reader.take(reader.count("characters", 1, most)));
const params = { name: text(32), prefix: text(16) };
for (const name of NUMBERS) params[name] = reader.u64();
params.powLimit = reader.u32();
params.genesisTarget = reader.u32();
const count = reader.count("allocations", 40);
params.allocations = Array.from({ length: count }, () => ({ address: reader.take(32), amount: reader.u64() }));
reader.end();
return params;
}
function issued({ subsidy, halving }) {
let sum = 0n;
for (let k = 0n; k < 64n && subsidy >> k > 0n && sum <= MAX_AMOUNT; k += 1n) sum += (subsidy >> k) * halving;
return sum - subsidy;
}
function checkParams(params) {
const say = (what) => () => `the network's parameters: ${what}`;
const { intervalMs, halfLifeMs, halving, allocations } = params;
demand(/^[a-z0-9-]{1,32}$/.test(params.name), say("the name is not 1 to 32 lower-case letters, digits or hyphens"));
demand(/^[a-z][a-z0-9]{0,15}$/.test(params.prefix), say("the prefix is not 1 to 16 lower-case letters or digits"));
demand(
intervalMs >= 1n && 2n * intervalMs <= halfLifeMs && halfLifeMs <= 1024n * intervalMs,
say(`got an interval of ${intervalMs} ms and a half-life of ${halfLifeMs} ms, expected 2 to 1024 intervals`),
);
demand(halving >= 1n, say("the halving is 0"));
const [limit, first] = [decodeTarget(params.powLimit), decodeTarget(params.genesisTarget)];
demand(
limit !== null && first !== null && first <= limit && limit < 1n << 255n,
say(`got the targets ${showTarget(params.powLimit)} and ${showTarget(params.genesisTarget)}`),
);
demand(inBounds(params), say("a bound of blocks or the price of accounts is out of range"));
let money = issued(params);
allocations.forEach(({ address, amount }, place) => {
demand(place === 0 || compare(allocations[place - 1].address, address) < 0, say("the allocations do not ascend"));
demand(!isZero(address) && isOnCurve(address), say("an allocation's address is no public key"));
demand(amount >= 1n, say("an allocation is of nothing"));
money += amount;
});
demand(money <= MAX_AMOUNT, say("allocations and subsidies are more than 2^53 - 1 pebbles"));
}
function genesisHeader(params) {
return concat(
Uint8Array.of(1, 0),
u64(0),
chainHash(encodeParams(params)),
u64(params.genesisTime),
u32(params.genesisTarget),
new Uint8Array(32),
txsRoot([]),
stateRootOf(params.allocations),
new Uint8Array(32),
u64(0),
);
}
function makeNetwork(params, upgrades = []) {
checkParams(params);
const raw = genesisHeader(params);
const genesis = readHeader(raw);
checkUpgrades(upgrades);
const steps = versionsOf(genesis.id, upgrades);
const versionAt = (height) => steps.reduce((last, step) => (BigInt(height) >= step.from ? step.version : last), 1);
return {
...params,
params,
upgrades,
powLimitValue: decodeTarget(params.powLimit),
genesis,
genesisId: toHex(headerId(raw)),
genesisLeaf: leafOf(genesis, 0n, params.genesisTarget),
versionAt,
};
}
function networkOf(bytes, genesisId, upgrades = []) {
const network = makeNetwork(readParams(bytes), upgrades);
demand(
network.genesisId === genesisId,
() => {
return `got parameters of the network ${network.genesisId}, expected those of ${genesisId}`;
},
"genesis",
);
return network;
}
const isGenesis = (network, id) => equal(network.genesis.id, id);
return { MAX_AMOUNT, NUMBERS, encodeParams, readParams, makeNetwork, networkOf, isGenesis };
})();

const shapes_module = (() => {
const { failure, unreadable } = errors_module;
function readJson(text, most, what) {
if (text.length > most) throw unreadable(`the ${what} has ${text.length} characters, expected at most ${most}`);
let value;
try {
value = JSON.parse(text);
} catch (error) {
if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
throw unreadable(`the ${what} is no JSON`);
}
if (!isObject(value)) throw unreadable(`the ${what} is no JSON object`);
return value;
}
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
function field(object, name, type) {
const value = isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;
const right =
type === "number"
? Number.isSafeInteger(value) && value >= 0
: type === "object"
? isObject(value)
: typeof value === type;
if (!right) throw failure(`the field ${name} is missing or no ${type}`, "decode");
return value;
}
function optionalText(object, name) {
const value = isObject(object) && Object.hasOwn(object, name) ? object[name] : null;
return value === null || value === undefined ? null : field(object, name, "string");
}
return { readJson, isObject, field, optionalText };
})();

const networks_module = (() => {
const { readAddress } = address_module;
const { fromHex } = bytes_module;
const { ProofError, failure } = errors_module;
const { readHeader } = header_module;
const { makeNetwork, networkOf } = network_module;
const { optionalText, readJson } = shapes_module;
const { readUpgrades } = upgrades_module;
const PUBLIC = {
intervalMs: 30_000n,
halfLifeMs: 3_600_000n,
maxFutureMs: 60_000n,
maxBlockBytes: 1_048_576n,
maxNewAccounts: 1_024n,
accountPrice: 1_000_000n,
subsidy: 500_000_000n,
halving: 4_204_800n,
genesisTime: 1_793_491_200_000n,
powLimit: 0x1e00ffff,
genesisTarget: 0x1d1fffff,
};
const LOCAL = {
intervalMs: 2_000n,
halfLifeMs: 20_000n,
maxFutureMs: 5_000n,
maxBlockBytes: 2_097_152n,
maxNewAccounts: 16_384n,
accountPrice: 100_000n,
subsidy: 5_000_000_000n,
halving: 100_000n,
genesisTime: 1_793_491_200_000n,
powLimit: 0x1e3fffff,
genesisTarget: 0x1e1fffff,
};
const DEVELOPERS = [
"lcrn1q3krrqw8udczg6wc6aa4ut7gs926sz29gl7x5m9l6lfm3606vnaszxku58",
"lcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjqq7x9pf",
"lcrn1tevl6nsa5h5zgndej7myhwuvgjv6f2l8454np5du7x9jgycma7jq4xjrfa",
"lcrn1w7gk3p9ytpc9g657qhlyqc56jwdrj2cp08kn0jnnlk30ppdf9m5qhkcz3r",
"lcrn1steec5v7mkhymqz4k7zjza9zng5hxg53pu0trgg4ha59vghtzkrs092drp",
"lcrn13ztmnge95m94m2rrfphuu7c3gf2fsyqenuqmu23jz2a9e33chyuqfw5w3j",
"lcrn1hajg2k8396lwg455tc2fe7taxyu7dpwn2qkpt7d99ag7v29jz6sqvkqsgc",
"lcrn162xv24gcsfmlx52m2wcqjs4qedy4wyuughxhyw45ehypvdsfazvsnsj08c",
"lcrn1ux49gluqh7gdght0wqhff6a05y94ujn4jhf55d3v82jmdmlfq30s8sv76p",
"lcrn17my98u9aw4fu6cj484760zwcrvxx9x2wnape0npz2sddeyc89v4qf2qgsn",
];
const FAUCET = "tcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjq5hjyy8";
const allocations = (texts, amount) => texts.map((text) => ({ address: readAddress(text).bytes, amount }));
const shippedParams = () => [
{ ...PUBLIC, name: "main", prefix: "crn", allocations: [] },
{ ...PUBLIC, name: "test", prefix: "tcrn", allocations: allocations([FAUCET], 1_000_000_000_000_000n) },
{ ...LOCAL, name: "local", prefix: "lcrn", allocations: allocations(DEVELOPERS, 100_000_000_000_000n) },
];
function shippedNetwork(genesisId, genesisTime) {
for (const params of shippedParams()) {
for (const time of new Set([params.genesisTime, genesisTime ?? params.genesisTime])) {
const network = makeNetwork({ ...params, genesisTime: time });
if (network.genesisId === genesisId) return network;
}
}
return null;
}
function describedNetwork(text, genesisId) {
const document = readJson(text, 1 << 21, "description of the network");
const bytes = (name) => fromHex(optionalText(document, name) ?? "", name, 0, 1 << 20);
return networkOf(bytes("params"), genesisId, readUpgrades(bytes("upgrades")));
}
async function findNetwork(genesisId, { describe, block0 }) {
for (const source of [
async () => describedNetwork(await describe(), genesisId),
async () => shippedNetwork(genesisId),
async () => shippedNetwork(genesisId, BigInt(readHeader(await block0()).time)),
]) {
try {
const network = await source();
if (network) return network;
} catch (error) {
if (!(error instanceof ProofError || error instanceof TypeError || error instanceof RangeError)) throw error;
}
}
throw failure(`this page does not know the rules of the network ${genesisId}`, "network");
}
return { shippedParams, shippedNetwork, describedNetwork, findNetwork };
})();

const rpc_module = (() => {
const { ProofError, failure } = errors_module;
const { isObject, readJson } = shapes_module;
const { inert } = text_module;
const PATIENCE_MS = 15_000;
const SMALL = 1 << 16;
class Refusal extends ProofError {
constructor(message, code) {
super(message, "failure", "refusal");
this.code = code;
}
}
async function readBody(response, most) {
if (!response.body) throw failure("the answer is empty");
const reader = response.body.getReader();
const decoder = new TextDecoder("utf-8");
let [text, length] = ["", 0];
for (;;) {
const { done, value } = await reader.read();
if (done) return { text: text + decoder.decode(), length };
length += value.length;
if (length > most) {
await reader.cancel();
throw failure(`the answer has more than ${most} bytes`);
}
text += decoder.decode(value, { stream: true });
}
}
class Node {
constructor(url, { fetch, patience = PATIENCE_MS }) {
this.url = url;
this.fetch = fetch;
this.patience = patience;
this.bytes = 0;
}
async #text(url, options, most) {
const abort = new AbortController();
let timer;
const late = new Promise((_, reject) => {
timer = setTimeout(() => {
abort.abort();
reject(failure(`no answer within ${this.patience / 1000} s`, "silent"));
}, this.patience);
});
try {
const fixed = { redirect: "error", cache: "no-store", referrerPolicy: "no-referrer", signal: abort.signal };
const whole = async () => {
const response = await this.fetch(url, { ...options, ...fixed });
return { ...(await readBody(response, most)), status: response.status };
};
const answer = await Promise.race([whole(), late]);
this.bytes += answer.length;
return answer;
} catch (error) {
if (error instanceof ProofError) throw error;
throw failure("no answer", "silent");
} finally {
clearTimeout(timer);
}
}
async file(path) {
const { text, status } = await this.#text(new URL(path, this.url).href, {}, 1 << 21);
if (status !== 200) throw failure(`status ${status} for ${path}`);
return text;
}
async call(method, params, most = SMALL) {
const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
const headers = { "content-type": "application/json" };
const { text, status } = await this.#text(this.url, { method: "POST", headers, body }, most);
let answer;
try {
answer = readJson(text, most, `answer to ${method}`);
} catch (error) {
if (!(error instanceof ProofError)) throw error;
throw failure(`status ${status}, and ${error.message}`);
}
if (Object.hasOwn(answer, "error") && isObject(answer.error)) throw refusal(method, answer.error);
const result = Object.hasOwn(answer, "result") ? answer.result : undefined;
if (!isObject(result) && typeof result !== "string") throw failure(`the answer to ${method} has no result`);
return result;
}
}
function refusal(method, error) {
const code = Number.isSafeInteger(error.code) ? error.code : 0;
const message = typeof error.message === "string" ? inert(error.message, 200) : "no reason";
return new Refusal(`it refused ${method}: ${message}`, code);
}
return { PATIENCE_MS, SMALL, Refusal, Node };
})();

const samples_module = (() => {
const { bigEndian, u64 } = bytes_module;
const { demand } = errors_module;
const { tagged } = sha256_module;
const SAMPLES = 56;
const RECEIPT_SAMPLES = 96;
const TAIL = 512;
const MAX_OCTAVES = 64;
const seedHash = tagged("cairn/sample");
const offsetHash = tagged("cairn/offset");
const sampleSeed = (tip, random) => seedHash(tip, random);
const rawOffset = (seed, octave, sample) => bigEndian(offsetHash(seed, u64(octave), u64(sample)));
function octaves(total, history) {
const found = [];
for (let i = 1; ; i += 1) {
const low = total - (total >> BigInt(i - 1));
const half = total - (total >> BigInt(i));
const high = history < half ? history : half;
if (low >= high) return found;
demand(i <= MAX_OCTAVES, () => `the tail has so little work that more than ${MAX_OCTAVES} octaves lie below it`);
found.push({ octave: i, low, length: high - low });
}
}
function offsets(seed, total, history, each) {
return octaves(total, history).flatMap(({ octave, low, length }) => {
return Array.from({ length: each }, (_, j) => low + (rawOffset(seed, octave, j) % length));
});
}
return { SAMPLES, RECEIPT_SAMPLES, TAIL, sampleSeed, rawOffset, octaves, offsets };
})();

const aim_module = (() => {
const { failure } = errors_module;
const { SAMPLES, octaves, rawOffset, sampleSeed } = samples_module;
const MAX_TRIES = 100_000;
function aimedRandom(tip, header, work, random) {
const from = work - tip.ownWork(header);
const history = tip.work - tip.workAbove(tip.headers[0].height) - tip.ownWork(tip.headers[0]);
const found = octaves(tip.work, history).find(({ low, length }) => from >= low && from < low + length);
if (!found) throw failure(`block ${header.height} lies below no work of the chain that was proven`);
const { octave, low, length } = found;
const bytes = random();
const counter = new DataView(bytes.buffer, bytes.byteOffset);
for (let tries = 0; tries < MAX_TRIES; tries += 1) {
counter.setUint32(0, tries);
const seed = sampleSeed(tip.tip.id, bytes);
for (let sample = 0; sample < SAMPLES; sample += 1) {
const offset = low + (rawOffset(seed, octave, sample) % length);
if (offset >= from && offset < work) return bytes;
}
}
throw failure(`block ${header.height} is too deep in this chain to be found by samples`);
}
return { aimedRandom };
})();

const block_module = (() => {
const { Reader, equal } = bytes_module;
const { demand } = errors_module;
const { HEADER_BYTES, readHeader } = header_module;
const { txsRoot } = merkle_module;
const { readTransaction } = transaction_module;
const LEAST_TRANSACTION = 185;
function checkBlock(bytes, proven) {
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
return { checkBlock };
})();

const chain_module = (() => {
const { equal, toHex } = bytes_module;
const { ProofError, demand } = errors_module;
const { checkAlone, checkVersion } = header_module;
const { leafOf } = history_module;
const { nextTarget, showTarget, workOf } = targets_module;
function checkTime(network, header, now) {
const latest = now + Number(network.maxFutureMs);
if (header.time <= latest) return;
const text = `block ${header.height} is from the future: got ${header.time} ms, expected at most ${latest}`;
throw new ProofError(text, "early", "time-ahead");
}
function follow(network, walk, header, now) {
const { tip, history } = walk;
const where = `block ${header.height}`;
checkAlone(network, header);
demand(equal(header.parent, tip.id), () => {
return `${where} has the parent ${toHex(header.parent)}, expected ${toHex(tip.id)}`;
});
demand(header.height === tip.height + 1, () => `got height ${header.height} after block ${tip.height}`);
const expected = history.last.nextTarget;
demand(header.target === expected, () => {
return `${where} has the target ${showTarget(header.target)}, expected ${showTarget(expected)}`;
});
demand(header.time > tip.time, () => `${where} is not later than its parent`);
demand(
equal(header.historyRoot, history.root()),
() => `${where} commits to another history than that of its chain`,
);
checkTime(network, header, now);
checkVersion(network, header);
const next = nextTarget(network, header.height, header.target, tip.time, header.time);
walk.below = history.clone();
history.append(leafOf(header, workOf(header.target), next));
walk.tip = header;
}
return { follow };
})();

const difficulty_bounds_module = (() => {
const { demand } = errors_module;
const { LIMIT, bitLength, decodeTarget, showTarget, stepTarget, work, workOf } = targets_module;
const ONE = 1n << 32n;
function logarithm(value) {
const bits = bitLength(value);
let mantissa = bits > 64 ? value >> BigInt(bits - 64) : value << BigInt(64 - bits);
let result = 0n;
for (let i = 31n; i >= 0n; i -= 1n) {
mantissa = (mantissa * mantissa) >> 63n;
if (mantissa >> 64n) {
result |= 1n << i;
mantissa >>= 1n;
}
}
return BigInt(bits - 1) * ONE + result;
}
const max = (a, b) => (a > b ? a : b);
const min = (a, b) => (a < b ? a : b);
class DifficultyBounds {
#logarithms = new Map();
constructor(network) {
this.network = network;
this.least = work(network.powLimitValue);
this.rho = (network.intervalMs * ONE) / network.halfLifeMs;
this.sigma = this.rho + (1n << 21n);
}
falling(first, n) {
let [sum, j] = [0n, 0n];
for (let each = work(first); j < n && each > this.least; j += 1n, each >>= 1n) sum += each;
return sum + (n - j) * this.least;
}
rising(next, n) {
let [sum, counted] = [0n, 0n];
for (let g = 1n, each = work(next) >> 1n; counted < n && each > this.least; g += 1n, each >>= 1n) {
const upTo = min(n, (g * ONE) / this.sigma);
sum += (upTo - counted) * each;
counted = upTo;
}
return sum + (n - counted) * this.least;
}
#log(bits) {
let found = this.#logarithms.get(bits);
if (found === undefined) {
found = logarithm(decodeTarget(bits));
this.#logarithms.set(bits, found);
}
return found;
}
of(first, next, n, time) {
const least = max(this.falling(decodeTarget(first), n), this.rising(decodeTarget(next), n));
const octaves = min((time * ONE) / this.network.halfLifeMs, n * ONE);
return { work: least, easier: octaves - n * this.rho + (n << 20n), harder: -n * this.sigma };
}
#checkTarget(bits, what) {
const value = decodeTarget(bits);
demand(value !== null && value <= this.network.powLimitValue, () => {
return `${what} has the target ${showTarget(bits)}, which is not in normal form or above the network's limit`;
});
}
check(node, start, size, before) {
const what = `the tree of ${size} blocks from block ${start} on`;
this.#checkTarget(node.firstTarget, what);
this.#checkTarget(node.nextTarget, what);
if (size === 1) return this.#checkOne(node, start, before);
const [n, time] = [BigInt(size), BigInt(node.lastTime) - BigInt(before)];
demand(time >= n, () => `${what} takes ${time} ms, expected at least ${n}`);
const bounds = this.of(node.firstTarget, node.nextTarget, n, time);
demand(bounds.work < LIMIT && node.work >= bounds.work, () => {
return `${what} claims ${node.work} hashes of work, and its targets need at least ${bounds.work}`;
});
const change = this.#log(node.nextTarget) - this.#log(node.firstTarget);
demand(
change <= bounds.easier,
() => `${what} grows easier by ${change} / 2^32 octaves, at most ${bounds.easier}`,
);
demand(
change >= bounds.harder,
() => `${what} grows harder by ${-change} / 2^32 octaves, at most ${-bounds.harder}`,
);
}
#checkOne(node, height, before) {
const gap = BigInt(node.lastTime) - BigInt(before);
demand(gap > 0n, () => `block ${height} is not later than the one before it`);
const next = height < 2 ? this.network.genesisTarget : stepTarget(this.network, node.firstTarget, gap);
demand(node.nextTarget === next, () => {
return `block ${height} demands the target ${showTarget(node.nextTarget)} after it, expected ${showTarget(next)}`;
});
const own = workOf(node.firstTarget);
demand(node.work === own, () => `block ${height} claims ${node.work} hashes of work, expected ${own}`);
}
}
return { logarithm, DifficultyBounds };
})();

const marks_module = (() => {
const HOUR_MS = 3_600_000;
const HOURS = 26;
function marksOf(moments) {
const tip = moments[moments.length - 1];
const kept = [];
let place = 0;
for (let hours = HOURS - 1; hours >= 0; hours -= 1) {
while (place + 1 < moments.length && moments[place + 1].time <= tip.time - hours * HOUR_MS) place += 1;
if (kept[kept.length - 1] !== moments[place]) kept.push(moments[place]);
}
return kept;
}
function workRate(marks, now, ago) {
const before = marks.filter((mark) => mark.time <= now - ago);
const from = before.length ? before[before.length - 1] : marks[0];
const hours = (now - from.time) / HOUR_MS;
return { hourly: Number(marks[marks.length - 1].work - from.work) / Math.max(1, hours), hours };
}
return { HOUR_MS, marksOf, workRate };
})();

const verified_tip_module = (() => {
const { concat, equal, toHex } = bytes_module;
const { follow } = chain_module;
const { ProofError, demand } = errors_module;
const { HEADER_BYTES, checkAlone, splitHeaders } = header_module;
const { History, NODE_BYTES, leafOf, readNode } = history_module;
const { HOUR_MS, marksOf, workRate } = marks_module;
const { TAIL } = samples_module;
const { nextTarget, workOf } = targets_module;
const BURIAL = 6;
const SLOW = 4;
const KEPT_VERSION = 1;
class VerifiedTip {
constructor({ headers, history, below, moments, samples }) {
this.headers = headers.slice(-(TAIL + 1));
this.history = history;
this.below = below;
this.marks = marksOf(moments);
this.samples = samples;
this.work = history.work;
}
static genesis(network) {
const history = new History();
history.append(network.genesisLeaf);
const moments = [{ time: network.genesis.time, work: 0n }];
return new VerifiedTip({ headers: [network.genesis], history, below: new History(), moments, samples: 0 });
}
get tip() {
return this.headers[this.headers.length - 1];
}
get id() {
return toHex(this.tip.id);
}
get height() {
return this.tip.height;
}
headerAt(height) {
return this.headers[height - this.headers[0].height];
}
ownWork(header) {
return header.height === 0 ? 0n : workOf(header.target);
}
workAbove(height) {
const above = this.headers.slice(height - this.headers[0].height + 1);
return above.reduce((sum, header) => sum + this.ownWork(header), 0n);
}
settled() {
if (this.height === 0) return { header: this.tip, buried: true };
const mean = this.work / BigInt(this.height);
let above = 0n;
for (let blocks = 0; blocks < this.headers.length; blocks += 1) {
const header = this.headers[this.headers.length - 1 - blocks];
const own = this.ownWork(header);
if (blocks >= BURIAL && above >= BigInt(BURIAL) * (own > mean ? own : mean)) return { header, buried: true };
above += own;
}
return { header: this.headerAt(this.height - BURIAL) ?? this.tip, buried: false };
}
slowed(now) {
const moment = Math.max(now, this.tip.time);
const late = this.headers.filter((header) => header.time > moment - HOUR_MS);
const whole = this.headers[0].time <= moment - HOUR_MS;
const counted = Number(late.reduce((sum, header) => sum + this.ownWork(header), 0n));
const hour = whole ? counted : workRate(this.marks, moment, HOUR_MS).hourly;
const day = workRate(this.marks, moment, 24 * HOUR_MS);
return day.hours >= 2 && hour * SLOW < day.hourly ? day.hourly / Math.max(1, hour) : null;
}
extend(network, tip, bytes, now) {
const count = bytes.length / HEADER_BYTES;
demand(
Number.isInteger(count) && count <= TAIL,
() => {
return `got ${bytes.length} bytes of headers, expected at most ${TAIL} of ${HEADER_BYTES} bytes each`;
},
"decode",
);
const headers = splitHeaders(bytes, count);
const last = headers[count - 1] ?? this.tip;
demand(equal(last.id, tip), () => `the headers end with ${toHex(last.id)}, expected ${toHex(tip)}`);
const walk = { tip: this.tip, history: this.history.clone(), below: this.below };
const moments = headers.map((header) => {
follow(network, walk, header, now);
return { time: header.time, work: walk.history.work };
});
const [all, known] = [
[...this.headers, ...headers],
[...this.marks, ...moments],
];
const { history, below } = walk;
return new VerifiedTip({ headers: all, history, below, moments: known, samples: this.samples });
}
keep() {
return {
version: KEPT_VERSION,
headers: concat(...this.headers.map((header) => header.raw)),
peaks: concat(...this.below.peaks.map((peak) => peak.raw)),
marks: this.marks.map(({ time, work }) => [time, work.toString()]),
samples: this.samples,
work: this.work.toString(),
};
}
static restore(network, kept) {
try {
return restore(network, kept);
} catch (error) {
if (error instanceof ProofError || error instanceof TypeError || error instanceof SyntaxError) return null;
throw error;
}
}
}
function lastLeaf(network, tip, parent) {
if (!parent) return network.genesisLeaf;
return leafOf(tip, workOf(tip.target), nextTarget(network, tip.height, tip.target, parent.time, tip.time));
}
function restore(network, kept) {
if (
kept?.version !== KEPT_VERSION ||
!(kept.headers instanceof Uint8Array) ||
!(kept.peaks instanceof Uint8Array)
) {
return null;
}
const count = kept.headers.length / HEADER_BYTES;
const size = kept.peaks.length / NODE_BYTES;
if (!Number.isInteger(count) || count < 1 || count > TAIL + 1 || !Number.isInteger(size) || size > 53) return null;
const headers = splitHeaders(kept.headers, count);
const last = headers[count - 1];
const linked = headers.every((header, place) => {
const parent = headers[place - 1];
if (header.height > 0) checkAlone(network, header);
if (!parent) return header.height > 0 || equal(header.id, network.genesis.id);
return equal(header.parent, parent.id) && header.height === parent.height + 1 && header.time > parent.time;
});
const bits = last.height.toString(2).replaceAll("0", "").length;
if (!linked || count !== Math.min(last.height, TAIL) + 1 || size !== bits) return null;
const at = (place) => readNode(kept.peaks.slice(place * NODE_BYTES, (place + 1) * NODE_BYTES));
const below = new History(
last.height,
Array.from({ length: size }, (_, place) => at(place)),
);
if (!equal(below.root(), last.historyRoot)) return null;
const history = below.clone();
history.append(lastLeaf(network, last, headers[count - 2]));
if (kept.work !== history.work.toString()) return null;
const moments = kept.marks.slice(0, 64).map(([time, work]) => ({ time: Number(time), work: BigInt(work) }));
if (!moments.length || !Number.isSafeInteger(kept.samples)) return null;
return new VerifiedTip({ headers, history, below, moments, samples: kept.samples });
}
return { BURIAL, VerifiedTip };
})();

const light_proof_module = (() => {
const { Reader, equal, toHex } = bytes_module;
const { follow } = chain_module;
const { DifficultyBounds } = difficulty_bounds_module;
const { demand } = errors_module;
const { HEADER_BYTES, checkAlone, checkVersion, splitHeaders } = header_module;
const { History, NODE_BYTES, leafOf, readNode } = history_module;
const { TAIL, offsets, sampleSeed } = samples_module;
const { addWork, nextTarget, showTarget, workOf } = targets_module;
const { VerifiedTip } = verified_tip_module;
const MAX_PROOF_BYTES = 8 << 20;
function readLightProof(reader) {
const headers = (most) => {
const count = reader.count("headers", HEADER_BYTES, most);
return splitHeaders(reader.take(count * HEADER_BYTES), count);
};
const [tail, opened] = [headers(TAIL + 1), headers()];
const count = reader.count("nodes", NODE_BYTES);
const nodes = Array.from({ length: count }, () => readNode(reader.take(NODE_BYTES)));
return { tail, opened, nodes };
}
function decodeLightProof(bytes) {
demand(
bytes.length <= MAX_PROOF_BYTES,
() => {
return `the light proof has ${bytes.length} bytes, expected at most ${MAX_PROOF_BYTES}`;
},
"decode",
);
const reader = new Reader(bytes, "light proof");
const proof = readLightProof(reader);
reader.end();
return proof;
}
function treesBetween(from, to) {
const sizes = [];
for (let at = from; at < to;) {
let size = 1;
while (at % (size * 2) === 0 && at + size * 2 <= to) size *= 2;
sizes.push(size);
at += size;
}
return sizes;
}
class HistoryWalk {
constructor(network) {
this.network = network;
this.bounds = new DifficultyBounds(network);
this.history = new History();
this.history.append(network.genesisLeaf);
this.work = 0n;
this.time = network.genesis.time;
this.last = network.genesis;
this.samples = [];
this.moments = [{ time: this.time, work: 0n }];
}
#append(node, size) {
demand(node.firstTarget === this.history.last.nextTarget, () => {
return (
`block ${this.history.count} has the target ${showTarget(node.firstTarget)}, ` +
`expected ${showTarget(this.history.last.nextTarget)}`
);
});
demand(
node.lastTime > this.time,
() => `block ${this.history.count + size - 1} is not later than what is before it`,
);
this.history.append(node, size);
this.work = addWork(this.work, node.work);
this.time = node.lastTime;
this.moments.push({ time: this.time, work: this.work });
}
tree(node, size) {
this.bounds.check(node, this.history.count, size, this.time);
this.#append(node, size);
this.last = null;
}
opened(header) {
const height = this.history.count;
checkAlone(this.network, header);
demand(this.last === null || equal(header.parent, this.last.id), () => {
return `block ${height} has the parent ${toHex(header.parent)}, expected ${toHex(this.last.id)}`;
});
demand(equal(header.historyRoot, this.history.root()), () => {
return `block ${height} commits to another history than the one shown`;
});
checkVersion(this.network, header);
const from = this.work;
const next = nextTarget(this.network, height, header.target, this.time, header.time);
this.#append(leafOf(header, workOf(header.target), next), 1);
this.samples.push({ height, from, to: this.work });
this.last = header;
}
}
function walkHistory(network, { opened, nodes }, start) {
const walk = new HistoryWalk(network);
let used = 0;
const gap = (to) => {
for (const size of treesBetween(walk.history.count, to)) {
demand(used < nodes.length, () => `got ${nodes.length} nodes, and the gaps between opened blocks need more`);
walk.tree(nodes[used], size);
used += 1;
}
};
for (const header of opened) {
demand(header.height >= walk.history.count && header.height < start, () => {
return `block ${header.height} is opened out of order, expected one from ${walk.history.count} to ${start - 1}`;
});
gap(header.height);
walk.opened(header);
}
gap(start);
demand(used === nodes.length, () => `got ${nodes.length} nodes, expected ${used}`);
return walk;
}
function blockAt(samples, offset) {
let [low, high] = [0, samples.length];
while (low < high) {
const middle = (low + high) >> 1;
if (samples[middle].to <= offset) low = middle + 1;
else high = middle;
}
const found = samples[low];
demand(found !== undefined && found.from <= offset, () => `the block at the work ${offset} is not opened`);
return found.height;
}
function checkSamples(walk, wanted, start) {
const sampled = wanted.map((offset) => blockAt(walk.samples, offset));
const three = sampled.flatMap((height) => [height, height - 1, height - 2]);
const needed = new Set([...three, start - 1, start - 2].filter((height) => height > 0));
const there = new Set(walk.samples.map((sample) => sample.height));
for (const height of needed)
demand(there.has(height), () => `block ${height} is not opened, and a sample needs it`);
for (const height of there) demand(needed.has(height), () => `block ${height} is opened, and no sample needs it`);
}
function walkTail(network, tail, walk, now) {
const moments = [];
let { work } = walk.history;
for (const header of tail) {
follow(network, walk, header, now);
work = addWork(work, workOf(header.target));
moments.push({ time: header.time, work });
}
return moments;
}
function checkLightProof(network, request, proof, now) {
const { tail, opened, nodes } = proof;
const last = tail[tail.length - 1];
demand(last !== undefined, () => "the proof has no headers");
demand(equal(last.id, request.tip), () => `it ends with ${toHex(last.id)}, expected ${toHex(request.tip)}`);
demand(Number.isSafeInteger(last.height), () => `got the height ${last.height}, expected less than 2^53`);
const start = Math.max(0, last.height - TAIL);
const length = last.height - start + 1;
demand(tail.length === length, () => `got a tail of ${tail.length} headers, expected ${length}`);
if (start <= 1) demand(!opened.length && !nodes.length, () => "a proof without history opens blocks of it");
const rest = start === 0 ? tail.slice(1) : tail;
if (start === 0)
demand(equal(tail[0].id, network.genesis.id), () => {
return `block 0 is ${toHex(tail[0].id)}, expected ${network.genesisId}`;
});
const walk = walkHistory(network, proof, start);
demand(walk.last !== null, () => `block ${start - 1} is not opened`);
const end = { tip: walk.last, history: walk.history.clone(), below: new History() };
const moments = [...walk.moments, ...walkTail(network, rest, end, now)];
const { history, below } = end;
const wanted =
start > 0 ? offsets(sampleSeed(request.tip, request.random), history.work, walk.work, request.samples) : [];
if (start > 1) checkSamples(walk, wanted, start);
const headers = start === 0 ? [network.genesis, ...rest] : tail;
return new VerifiedTip({ headers, history, below, moments, samples: wanted.length });
}
return { MAX_PROOF_BYTES, readLightProof, decodeLightProof, checkLightProof };
})();

const transaction_proof_module = (() => {
const { Reader, equal, toHex } = bytes_module;
const { demand, unreadable } = errors_module;
const { HEADER_BYTES, readHeader } = header_module;
const { NODE_BYTES, checkPlace, leafOf, readNode } = history_module;
const { MAX_PATH, checkInclusion, readInclusion } = merkle_module;
const { workOf } = targets_module;
const { MAX_TRANSACTION_BYTES, checkTransaction, readTransaction } = transaction_module;
const MAX_TRANSACTION_PROOF_BYTES = MAX_TRANSACTION_BYTES + 8 * 1024;
function readPlace(reader) {
const below = reader.u8();
if (below > 1) throw unreadable(`the place of the block begins with ${below}, expected 0 or 1`);
if (below === 0) return null;
const nextTarget = reader.u32();
const count = reader.count("nodes", NODE_BYTES, MAX_PATH);
return { nextTarget, siblings: Array.from({ length: count }, () => readNode(reader.take(NODE_BYTES))) };
}
function readTransactionProof(reader) {
const header = readHeader(reader.take(HEADER_BYTES));
const transaction = readTransaction(reader);
const inclusion = readInclusion(reader);
const place = readPlace(reader);
reader.end();
return { header, transaction, inclusion, place };
}
function decodeTransactionProof(bytes) {
demand(
bytes.length <= MAX_TRANSACTION_PROOF_BYTES,
() => {
return `the proof of a payment has ${bytes.length} bytes, expected at most ${MAX_TRANSACTION_PROOF_BYTES}`;
},
"decode",
);
return readTransactionProof(new Reader(bytes, "proof of a payment"));
}
function checkTransactionProof(network, { header, transaction, inclusion, place }, tip) {
checkTransaction(network, transaction);
checkInclusion(inclusion, transaction.id, header.txsRoot);
const under = tip.tip;
if (place === null) {
demand(equal(header.id, under.id), () => {
return `it claims to be in the tip ${toHex(under.id)}, and shows the block ${toHex(header.id)}`;
});
return { header, confirmations: 1, workAbove: 0n };
}
const leaf = leafOf(header, workOf(header.target), place.nextTarget);
const before = checkPlace(leaf, header.height, place.siblings, under.height, under.historyRoot);
return { header, confirmations: under.height - header.height + 1, workAbove: tip.work - before - leaf.work };
}
return { MAX_TRANSACTION_PROOF_BYTES, readTransactionProof, decodeTransactionProof, checkTransactionProof };
})();

const candidate_module = (() => {
const { aimedRandom } = aim_module;
const { checkAccount } = accounts_module;
const { checkBlock } = block_module;
const { equal, fromHex, toHex } = bytes_module;
const { ProofError, demand, failure } = errors_module;
const { HEADER_BYTES, checkVersion, readHeader } = header_module;
const { MAX_PROOF_BYTES, checkLightProof, decodeLightProof } = light_proof_module;
const { Refusal, SMALL } = rpc_module;
const { SAMPLES } = samples_module;
const { field, optionalText } = shapes_module;
const { MAX_TRANSACTION_PROOF_BYTES, checkTransactionProof, decodeTransactionProof } = transaction_proof_module;
const { BURIAL } = verified_tip_module;
const BLOCK_NOT_FOUND = 2001;
const TRANSACTION_NOT_FOUND = 2002;
const STATE_NOT_KEPT = 2003;
const ATTEMPTS = 3;
const MAX_BLOCK = 3 << 20;
const WORK = /^[0-9]{1,78}$/;
const inHex = (bytes) => 2 * bytes + SMALL;
const isCode = (error, code) => error instanceof Refusal && error.code === code;
const headerIn = (answer) => readHeader(fromHex(field(answer, "raw", "string"), "header", HEADER_BYTES));
function claimedWork(answer) {
const text = field(answer, "work", "string");
if (!WORK.test(text)) throw failure("the work in the answer is no number");
return BigInt(text);
}
class Candidate {
constructor(network, node, environment) {
this.network = network;
this.node = node;
this.environment = environment;
this.tip = null;
this.clock = null;
}
get url() {
return this.node.url;
}
async #introduce() {
const info = await this.node.call("node_info", []);
const genesis = field(info, "genesis_id", "string");
if (genesis !== this.network.genesisId) {
const got = /^[0-9a-f]{64}$/.test(genesis) ? genesis : "unknown";
throw failure(`it follows the network ${got}, expected ${this.network.genesisId}`, "network");
}
this.clock = field(info, "time", "number") - this.environment.now();
}
async prove(kept) {
const ask = () => this.node.call("chain_tip", []);
let [, claimed] = await Promise.all([this.#introduce(), ask()]);
for (let attempt = 1; ; attempt += 1) {
const header = headerIn(claimed);
checkVersion(this.network, header);
let proven;
try {
proven = await this.#proof(kept, header.id);
} catch (error) {
if (!isCode(error, BLOCK_NOT_FOUND)) throw error;
if (attempt < ATTEMPTS) {
claimed = await ask();
continue;
}
throw new ProofError(`it names the tip ${toHex(header.id)} and will not prove it`);
}
const got = claimedWork(claimed);
demand(got === proven.work, () => `it claims ${got} hashes of work, and proves ${proven.work}`);
this.tip = proven;
return this;
}
}
async #proof(kept, tip) {
if (kept && equal(kept.tip.id, tip)) return kept;
const random = this.environment.random();
const params = [toHex(tip), toHex(random), ...(kept ? [kept.id] : [])];
const answer = await this.node.call("chain_getProof", params, inHex(MAX_PROOF_BYTES));
const raw = fromHex(field(answer, "raw", "string"), "proof", 0, MAX_PROOF_BYTES);
const since = optionalText(answer, "since");
const now = this.environment.now();
try {
if (since === null)
return checkLightProof(this.network, { tip, random, samples: SAMPLES }, decodeLightProof(raw), now);
demand(since === kept?.id, () => "it continues from a tip that it was not asked about");
return kept.extend(this.network, tip, raw, now);
} catch (error) {
if (error instanceof ProofError && error.kind !== "failure") {
error.message = `it claims the tip ${toHex(tip)}, and its proof does not hold: ${error.message}`;
}
throw error;
}
}
async #accountAt(address, shown, header) {
const answer = await this.node.call("state_getProof", [shown, toHex(header.id)]);
const raw = fromHex(field(answer, "raw", "string"), "account proof", 0, SMALL);
try {
return checkAccount(raw, address, header.stateRoot);
} catch (error) {
if (error instanceof ProofError) {
error.message = `its proof of the account at block ${header.height} does not hold: ${error.message}`;
}
throw error;
}
}
async account(address, shown, height) {
const { tip } = this.tip;
let { header: at, buried } = this.tip.settled();
const read = (header) => this.#accountAt(address, shown, header);
let settled;
try {
settled = await read(at);
} catch (error) {
if (!isCode(error, STATE_NOT_KEPT) || at.height === tip.height) throw error;
[at, buried] = [this.tip.headerAt(tip.height - BURIAL) ?? tip, false];
settled = await read(at);
}
const newest = at.height === tip.height ? settled : await read(tip);
const named = height === null ? undefined : this.tip.headerAt(height);
const states = [
[at, settled],
[tip, newest],
];
const known = states.find(([header]) => header === named);
const page = known ? known[1] : named && (await read(named).catch(onlyIf(STATE_NOT_KEPT)));
return { at, buried, settled, newest, named: page === undefined ? null : { header: named, account: page } };
}
async payment(txid, claimed) {
let answer;
try {
answer = await this.node.call(
"chain_getTransactionProof",
[txid, this.tip.id],
inHex(MAX_TRANSACTION_PROOF_BYTES),
);
} catch (error) {
if (!isCode(error, TRANSACTION_NOT_FOUND)) throw error;
const height = claimed ?? (await this.#saysMinedAt(txid));
if (height !== null) await this.#checkFollows();
demand(height === null || height > this.tip.height, () => {
return `it claims that the payment ${txid} is in block ${height}, and does not prove it`;
});
return null;
}
const raw = fromHex(field(answer, "raw", "string"), "proof of a payment", 0, MAX_TRANSACTION_PROOF_BYTES);
const proof = decodeTransactionProof(raw);
const got = toHex(proof.transaction.id);
demand(got === txid, () => `it was asked about the payment ${txid}, and proves ${got}`);
try {
return { transaction: proof.transaction, place: checkTransactionProof(this.network, proof, this.tip), proof };
} catch (error) {
if (error instanceof ProofError) {
const claim = `it claims that the payment ${txid} is in a block, and its proof does not hold`;
error.message = `${claim}: ${error.message}`;
}
throw error;
}
}
async #checkFollows() {
const header = headerIn(await this.node.call("chain_getHeader", [this.tip.height]));
if (!equal(header.id, this.tip.tip.id)) throw new Refusal("its blocks were replaced meanwhile", BLOCK_NOT_FOUND);
}
async #saysMinedAt(txid) {
const status = await this.node.call("tx_status", [txid]);
return field(status, "state", "string") === "mined" ? field(status, "height", "number") : null;
}
async body(header) {
const raw = await this.node.call("chain_getRawBlock", [toHex(header.id)], inHex(MAX_BLOCK + HEADER_BYTES));
return checkBlock(fromHex(raw, "block", HEADER_BYTES, MAX_BLOCK + HEADER_BYTES), header);
}
async block(id, whole) {
const answer = await this.node.call("chain_getHeader", [id]).catch(onlyIf(BLOCK_NOT_FOUND));
if (answer === undefined) return null;
const header = headerIn(answer);
demand(toHex(header.id) === id, () => `it was asked for the block ${id}, and gives ${toHex(header.id)}`);
const recent = this.tip.headerAt(header.height);
if (recent) {
demand(equal(recent.id, header.id), () => `it claims that block ${header.height} is ${id}, and proves another`);
return { header, body: whole ? await this.body(header) : null };
}
demand(header.height < this.tip.height, () => `it claims that ${id} is block ${header.height}, above its tip`);
if (header.height === 0) {
demand(equal(header.id, this.network.genesis.id), () => `it claims that block 0 is ${id}`);
return { header, body: null };
}
const body = await this.body(header);
if (body.transactions.length) await this.#placeByPayment(header, toHex(body.transactions[0].id));
else await this.#placeBySample(header, claimedWork(answer));
return { header, body };
}
async #placeByPayment(header, txid) {
const mined = await this.payment(txid, header.height);
demand(mined !== null && equal(mined.place.header.id, header.id), () => {
return `it claims that ${toHex(header.id)} is block ${header.height}, and proves another`;
});
}
async #placeBySample(header, work) {
const random = aimedRandom(this.tip, header, work, this.environment.random);
const answer = await this.node.call("chain_getProof", [this.tip.id, toHex(random)], inHex(MAX_PROOF_BYTES));
const raw = fromHex(field(answer, "raw", "string"), "proof", 0, MAX_PROOF_BYTES);
const proof = decodeLightProof(raw);
checkLightProof(this.network, { tip: this.tip.tip.id, random, samples: SAMPLES }, proof, this.environment.now());
demand(
proof.opened.some((opened) => equal(opened.id, header.id)),
() => {
return `it claims that ${toHex(header.id)} is block ${header.height}, and proves another`;
},
);
}
}
function onlyIf(code) {
return (error) => {
if (isCode(error, code)) return undefined;
throw error;
};
}
return { Candidate };
})();

const verifier_module = (() => {
const { anyAddress, showAddress } = address_module;
const { equal } = bytes_module;
const { Candidate } = candidate_module;
const { ProofError, failure } = errors_module;
const { Node, PATIENCE_MS } = rpc_module;
const { approximate, showAge } = text_module;
const { VerifiedTip } = verified_tip_module;
const OLD_MS = 3_600_000;
const MAX_NODES = 16;
class Verifier {
#running = null;
constructor(network, urls, environment) {
this.network = network;
this.environment = environment;
this.nodes = [...new Set(urls)].slice(0, MAX_NODES).map((url) => new Node(url, environment));
this.candidates = [];
this.liars = new Map();
this.early = new Set();
this.silent = new Map();
this.seen = null;
this.read = false;
}
get best() {
if (!this.candidates.length) throw this.#nobody();
return this.candidates[0].tip;
}
refresh() {
this.#running ??= this.#refresh().finally(() => {
this.#running = null;
});
return this.#running;
}
async idle() {
await this.#running?.catch(() => undefined);
}
async #refresh() {
if (!this.read) {
const kept = await this.environment.store.get(this.network.genesisId);
this.seen = VerifiedTip.restore(this.network, kept);
this.read = true;
}
this.silent.clear();
this.early.forEach((url) => this.liars.delete(url));
this.early.clear();
const asked = await this.#askAll();
const proven = asked.filter((candidate) => candidate.tip !== null);
this.#checkClock(asked);
this.candidates = proven.sort((a, b) => (a.tip.work < b.tip.work ? 1 : a.tip.work > b.tip.work ? -1 : 0));
const best = this.best;
if (!this.seen || this.seen.work < best.work) {
this.seen = best;
await this.environment.store.put(this.network.genesisId, best.keep());
}
return this.report();
}
async #askAll() {
const done = [];
const asked = this.nodes.filter((node) => !this.liars.has(node.url));
const { patience = PATIENCE_MS } = this.environment;
const timers = [];
let hurry;
const late = new Promise((resolve) => {
timers.push(setTimeout(resolve, 2 * patience));
hurry = () => timers.push(setTimeout(resolve, patience / 3));
});
const all = asked.map(async (node) => {
const candidate = await this.#ask(node);
done.push(candidate);
if (candidate.tip !== null) hurry();
});
await Promise.race([Promise.all(all), late]);
timers.forEach(clearTimeout);
const came = new Set(done.map((candidate) => candidate.url));
asked.filter(({ url }) => !came.has(url)).forEach(({ url }) => this.silent.set(url, "it takes too long"));
return asked.flatMap(({ url }) => done.filter((candidate) => candidate.url === url));
}
async #ask(node) {
const candidate = new Candidate(this.network, node, this.environment);
try {
return await candidate.prove(this.seen);
} catch (error) {
if (!(error instanceof ProofError)) throw error;
if (error.kind === "failure") this.silent.set(node.url, error.message);
else this.#name(node.url, error);
if (error.kind === "early") this.early.add(node.url);
return candidate;
}
}
#name(url, error) {
this.liars.set(url, error.message);
}
#checkClock(asked) {
const offset = this.#clockOffset(asked);
if (offset > 0 && 2 * this.early.size > asked.filter((candidate) => candidate.clock !== null).length) {
this.early.forEach((url) => this.liars.delete(url));
const behind = `this computer's clock is ${Math.round(offset / 1000)} s behind that of the nodes`;
throw failure(`${behind} (${asked.length} asked): set it right, and try again`, "clock");
}
this.ahead = offset < 0 ? -offset : 0;
}
#clockOffset(asked) {
const clocks = asked
.map((candidate) => candidate.clock)
.filter((clock) => clock !== null)
.sort((a, b) => a - b);
const median = clocks[Math.floor(clocks.length / 2)] ?? 0;
return Math.abs(median) > Number(this.network.maxFutureMs) ? median : 0;
}
#nobody() {
const liars = [...this.liars].map(([url, claim]) => `the node at ${url} lies: ${claim}`);
const silent = [...this.silent].map(([url, why]) => `the node at ${url} was of no help: ${why}`);
const error = failure([...liars, ...silent].join("; ") || "no node was asked", liars.length ? "lies" : "silent");
error.liars = [...this.liars].map(([node, claim]) => ({ node, claim }));
return error;
}
report() {
const { tip, work, height, id, samples } = this.best;
return {
node: this.candidates[0].url,
genesisId: this.network.genesisId,
prefix: this.network.prefix,
tip: id,
height,
time: tip.time,
work,
samples,
bytes: this.nodes.reduce((sum, node) => sum + node.bytes, 0),
liars: [...this.liars].map(([node, claim]) => ({ node, claim })),
warnings: this.#warnings(),
};
}
#warnings() {
const [best, now] = [this.best, this.environment.now()];
const age = now - best.tip.time;
const slowed = best.slowed(now);
const warnings = [];
if (age > OLD_MS)
warnings.push(`the newest block is ${showAge(age)} old; newer ones may be withheld, or nobody mines`);
else if (slowed)
warnings.push(
`the last hour has ${Math.round(slowed)} times less work than an hour of the last day ` +
"had: blocks may be withheld, or miners have left; ask several nodes",
);
if (this.seen && this.seen.work > best.work)
warnings.push(
`this chain has ${approximate(best.work)} hashes of work, ` +
`and this browser has seen one with ${approximate(this.seen.work)}: the node is behind, or keeps blocks back`,
);
if (this.ahead)
warnings.push(
`this computer's clock is ${Math.round(this.ahead / 1000)} s ahead of the nodes': one of ` +
"the two is wrong, and with it the ages of blocks that are shown",
);
for (const { url, tip } of this.candidates.slice(1).filter((other) => other.tip.work < best.work)) {
warnings.push(`the node at ${url} is behind: it proves block ${tip.height} and less work`);
}
for (const [url, why] of this.silent) warnings.push(`the node at ${url} was of no help: ${why}`);
return warnings;
}
async #firstProof(ask) {
let failed = null;
for (const candidate of [...this.candidates]) {
try {
const proven = await ask(candidate);
if (proven !== null) return { ...proven, node: candidate.url, under: candidate.tip };
} catch (error) {
if (!(error instanceof ProofError)) throw error;
if (error.kind === "failure") failed ??= error;
else {
this.#name(candidate.url, error);
this.candidates = this.candidates.filter((other) => other !== candidate);
}
}
}
if (!this.candidates.length) throw this.#nobody();
if (failed) throw failed;
return null;
}
#isBelow({ tip }) {
const header = this.best.headerAt(tip.height);
return header !== undefined && equal(header.id, tip.tip.id);
}
async account(text, height = null) {
const address = anyAddress(text, this.network.prefix);
const shown = showAddress(this.network.prefix, address);
return this.#firstProof((candidate) => candidate.account(address, shown, height));
}
async payment(txid, claim = null) {
return this.#firstProof(async (candidate) => {
if (!this.#isBelow(candidate)) return null;
const mined = await candidate.payment(txid, claim?.url === candidate.url ? claim.height : null);
if (mined === null) return null;
const confirmations = this.best.height - mined.place.header.height + 1;
return { ...mined, place: { ...mined.place, confirmations } };
});
}
async block(id, whole = false) {
return this.#firstProof((candidate) => (this.#isBelow(candidate) ? candidate.block(id, whole) : null));
}
}
return { Verifier };
})();

const service_module = (() => {
const { anyAddress } = address_module;
const { fromHex, toHex } = bytes_module;
const { ProofError, failure } = errors_module;
const { BODY_FACTS, accountFacts, bodyFacts, compareClaims, headerFacts, paymentFacts } = facts_module;
const { HEADER_BYTES } = header_module;
const { findNetwork } = networks_module;
const { Node, SMALL } = rpc_module;
const { field } = shapes_module;
const { approximate, showAmount } = text_module;
const { Verifier } = verifier_module;
const ID = /^[0-9a-f]{64}$/;
const REFRESH_MS = 1_000;
const MOVED_ON = [2001, 2003];
const failed = (reason) => ({ state: "failed", text: `not proven: ${reason}` });
const lied = (reason) => ({ state: "lied", text: `the node lied: ${reason}` });
class Service {
constructor(environment) {
this.environment = environment;
this.verifier = null;
this.refreshed = -REFRESH_MS;
this.next = null;
this.reason = failure("no network is open");
}
async open(genesisId, urls) {
try {
this.verifier = await this.#verifier(genesisId, urls);
} catch (error) {
[this.verifier, this.reason] = [null, error];
throw error;
}
return this.verifier.refresh();
}
async #verifier(genesisId, urls) {
if (!ID.test(genesisId)) throw failure("the genesis id is no id: expected 64 hex digits", "genesis");
const own = new Node(this.environment.origin, this.environment);
const network = await findNetwork(genesisId, {
describe: () => own.file("/web/network.json"),
block0: async () => {
const answer = await own.call("chain_getHeader", [0], SMALL);
return fromHex(field(answer, "raw", "string"), "header", HEADER_BYTES);
},
});
return new Verifier(network, [this.environment.origin, ...urls], this.environment);
}
refresh() {
return this.#opened().refresh();
}
report() {
return this.#opened().report();
}
#opened() {
if (!this.verifier) throw this.reason;
return this.verifier;
}
async check(question) {
try {
const verifier = this.#opened();
if (question.page.height > verifier.best.height) await this.#refreshSoon();
const verdict = await this.#judge(question).catch((error) => this.#again(question, error));
return verdict.state === "failed" ? this.#blame(verdict) : verdict;
} catch (error) {
if (!(error instanceof ProofError)) throw error;
return this.#blame(failed(error.message));
}
}
#refreshSoon() {
this.next ??= this.#refreshLater();
return this.next;
}
async #refreshLater() {
const verifier = this.#opened();
await verifier.idle();
const wait = this.refreshed + REFRESH_MS - performance.now();
if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
[this.next, this.refreshed] = [null, performance.now()];
return verifier.refresh();
}
async #again(question, error) {
if (!MOVED_ON.includes(error.code)) throw error;
await this.#refreshSoon();
return this.#judge(question);
}
#blame(verdict) {
const claim = this.verifier?.liars.get(this.environment.origin);
return claim ? lied(claim) : verdict;
}
#isReplaced({ height, tip }) {
const header = height === null || tip === null ? undefined : this.verifier.best.headerAt(height);
return header !== undefined && toHex(header.id) !== tip;
}
async #judge(question) {
const judges = { tip: this.#tip, account: this.#account, payment: this.#payment, block: this.#block };
if (!Object.hasOwn(judges, question.kind)) return failed("this page does not know how to prove that");
if (this.#isReplaced(question.page))
return failed("blocks were replaced since this page was made: load it again");
return judges[question.kind].call(this, question);
}
#compare(facts, { claims }, work, notes = []) {
const { wrong, unproven, proven } = compareClaims(facts, claims, this.verifier.network.prefix);
if (wrong.length) return lied(wrong.join("; "));
if (claims.length && !proven) return failed(`nothing proves ${unproven.join(", ")}`);
const rest = unproven.length ? [`not proven: ${unproven.join(", ")}`] : [];
return { state: "proven", text: [`proven by ${approximate(work)} hashes of work`, ...notes, ...rest].join("; ") };
}
#tip(question) {
const { best } = this.verifier;
const height = question.page.height ?? best.height;
if (height > best.height) return this.#above(height);
const header = best.headerAt(height);
if (!header) return failed(`this page is older than the last ${best.headers.length} blocks: load it again`);
const work = best.work - best.workAbove(height);
const newer = best.height - height;
const notes = newer > 0 ? [`there ${newer === 1 ? "is 1 newer block" : `are ${newer} newer blocks`} by now`] : [];
return this.#compare({ ...headerFacts(header), work: `${work}` }, question, best.work, notes);
}
#above(height) {
const own = this.verifier.candidates.find(({ url }) => url === this.environment.origin);
if (!own || own.tip.height >= height) return failed(`block ${height} is not on the chain that is proven`);
return lied(`it shows block ${height}, and the chain that it proves ends at block ${own.tip.height}`);
}
async #account(question) {
const proven = await this.verifier.account(question.id, question.page.height);
const { at, buried, settled, newest, named, under } = proven;
const account = named ? named.account : newest;
const { height } = question.page;
if (!named && height !== null && height !== under.height) {
return failed(`block ${height}, of which this page is, is too far from the tip to be proven: load it again`);
}
const address = toHex(anyAddress(question.id, this.verifier.network.prefix));
const facts = { address, ...accountFacts(account, named ? height : under.height) };
return this.#compare(facts, question, under.work, accountNotes({ at, buried, settled, account }));
}
async #payment(question) {
if (!ID.test(question.id)) return failed("the payment's id is no id");
const height = claimedHeight(question);
const claim = height === null ? null : { url: this.environment.origin, height };
const mined = await this.verifier.payment(question.id, claim);
if (mined === null) {
return failed(
height === null
? "it is in no block yet; what waits in a pool nothing can prove"
: `no node that was asked proves that it is in block ${height}`,
);
}
const facts = paymentFacts(mined.transaction, mined.place, question.page.height);
return this.#compare(facts, question, this.verifier.best.work);
}
async #block(question) {
if (!ID.test(question.id)) return failed("the block's id is no id");
const { best, network } = this.verifier;
const whole = question.claims.some(([name]) => BODY_FACTS.test(name));
const recent = whole ? undefined : best.headerAt(claimedHeight(question) ?? -1);
const found =
recent && toHex(recent.id) === question.id
? { header: recent, body: null }
: await this.verifier.block(question.id, whole);
if (found === null) return failed("no node that was asked has it on the chain that is proven");
const { header, body } = found;
const confirmations = (question.page.height ?? best.height) - header.height + 1;
const facts = {
...headerFacts(header),
...(body ? bodyFacts(network, body) : {}),
confirmations: `${confirmations}`,
};
return this.#compare(facts, question, best.work);
}
}
function claimedHeight({ claims }) {
const claim = claims.find(([name, value]) => name === "height" && /^[0-9]{1,15}$/.test(value));
return claim ? Number(claim[1]) : null;
}
function accountNotes({ at, buried, settled, account }) {
const had = settled?.balance ?? 0n;
if (!buried) return [`little work lies above block ${at.height}: one miner could have made it up`];
if (had === (account?.balance ?? 0n)) return [];
return [`the last blocks may still be replaced: it had ${showAmount(had)} CRN at block ${at.height}`];
}
return { Service };
})();

const store_module = (() => {
function memoryStore() {
const kept = new Map();
return {
get: async (key) => kept.get(key),
put: async (key, value) => {
if (isBetter(value, kept.get(key))) kept.set(key, value);
},
};
}
function isBetter(value, old) {
return typeof old?.work !== "string" || !/^[0-9]{1,78}$/.test(old.work) || BigInt(old.work) < BigInt(value.work);
}
const DATABASE = "cairn-light";
const TIPS = "tips";
const settled = (request) =>
new Promise((resolve, reject) => {
request.onsuccess = () => resolve(request.result);
request.onerror = () => reject(request.error);
});
async function open(indexedDB) {
const request = indexedDB.open(DATABASE, 1);
request.onupgradeneeded = () => request.result.createObjectStore(TIPS);
return settled(request);
}
async function browserStore(indexedDB) {
const memory = memoryStore();
let database;
try {
database = await open(indexedDB);
} catch {
return memory;
}
const tips = (mode) => database.transaction(TIPS, mode).objectStore(TIPS);
return {
get: async (key) => settled(tips("readonly").get(key)).catch(() => memory.get(key)),
put: async (key, value) => {
await memory.put(key, value);
const transaction = tips("readwrite");
const old = await settled(transaction.get(key)).catch(() => undefined);
if (isBetter(value, old)) await settled(transaction.put(value, key)).catch(() => undefined);
},
};
}
return { memoryStore, browserStore };
})();

const worker_module = (() => {
const { ProofError } = errors_module;
const { Service } = service_module;
const { browserStore } = store_module;
const METHODS = ["open", "refresh", "report", "check"];
const service = browserStore(self.indexedDB).then(
(store) =>
new Service({
fetch: (url, options) => self.fetch(url, options),
now: () => Date.now(),
random: () => self.crypto.getRandomValues(new Uint8Array(32)),
store,
origin: `${self.location.origin}/`,
}),
);
self.addEventListener("message", async ({ data: { id, method, args } }) => {
try {
if (!METHODS.includes(method)) throw new ProofError(`the worker has no method ${method}`, "failure");
self.postMessage({ id, result: await (await service)[method](...args) });
} catch (error) {
const { message, kind = "failure", liars = [] } = error;
self.postMessage({ id, error: { message, kind, liars } });
}
});
return {  };
})();
})();
