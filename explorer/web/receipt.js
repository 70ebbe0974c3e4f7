// Made by tools/bundle.mjs from light/receipt_page.js and the modules that it needs. Do not edit.
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

const dom_module = (() => {
function element(name, text = "", children = []) {
const made = document.createElement(name);
made.textContent = text;
made.append(...children);
return made;
}
function terms(rows) {
const parts = rows.flatMap(([term, value]) => {
const shown = element("dd");
shown.append(value);
return [element("dt", term), shown];
});
return element("dl", "", parts);
}
const code = (text) => element("code", text);
const byId = (id) => document.getElementById(id);
function showVerdict(place, state, parts) {
place.dataset.state = state;
place.replaceChildren(...parts);
}
function moment(ms) {
const date = new Date(ms);
const time = element("time", date.toLocaleString());
time.dateTime = date.toISOString();
return time;
}
return { element, terms, code, byId, showVerdict, moment };
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

const network_file_module = (() => {
const { readAddress } = address_module;
const { ProofError, unreadable } = errors_module;
const { makeNetwork } = network_module;
const { readAmount } = text_module;
const MAX_NETWORK_FILE = 1 << 20;
const U64 = 2n ** 64n;
const NUMBERS = {
interval_ms: "intervalMs",
half_life_ms: "halfLifeMs",
max_future_ms: "maxFutureMs",
max_block_bytes: "maxBlockBytes",
max_new_accounts: "maxNewAccounts",
halving: "halving",
genesis_time: "genesisTime",
};
const AMOUNTS = { account_price: "accountPrice", subsidy: "subsidy" };
const TARGETS = { pow_limit: "powLimit", genesis_target: "genesisTarget" };
const TEXTS = { name: "name", prefix: "prefix" };
function readValue(text) {
const string = /^"([^"\\\u0000-\u001f]*)"/.exec(text);
if (string) return [string[1], text.slice(string[0].length)];
const number = /^[0-9][0-9_]{0,30}/.exec(text);
if (number) return [BigInt(number[0].replaceAll("_", "")), text.slice(number[0].length)];
const other = /^(true|false|\[[^\]#]*\])/.exec(text);
if (other) return [null, text.slice(other[0].length)];
throw unreadable("expected a string, a whole number, true, false or a list");
}
function readTables(text) {
const tables = [{ name: "", fields: new Map() }];
text.split(/\r?\n/).forEach((line, place) => {
const content = line.trim();
if (!content || content.startsWith("#")) return;
try {
readLine(tables, content);
} catch (error) {
if (error instanceof ProofError) error.message = `line ${place + 1} of the network's file: ${error.message}`;
throw error;
}
});
return tables;
}
function readLine(tables, content) {
const table = /^\[(\[)?([a-z]+)\]\]?\s*(#.*)?$/.exec(content);
if (table) {
tables.push({ name: table[2], fields: new Map() });
return;
}
const pair = /^([a-z0-9_]+)\s*=\s*(.*)$/.exec(content);
if (!pair) throw unreadable("expected name = value, or a table such as [[allocations]]");
const [value, rest] = readValue(pair[2]);
if (!/^\s*(#.*)?$/.test(rest)) throw unreadable("there is something behind the value");
const { fields } = tables[tables.length - 1];
if (fields.has(pair[1])) throw unreadable(`the field ${pair[1]} is there twice`);
fields.set(pair[1], value);
}
function number(value, name) {
if (typeof value !== "bigint" || value >= U64) throw unreadable(`the field ${name} is missing or no whole number`);
return value;
}
function string(value, name) {
if (typeof value !== "string") throw unreadable(`the field ${name} is missing or no string`);
return value;
}
function target(value, name) {
if (!/^[0-9a-f]{8}$/.test(string(value, name))) throw unreadable(`the field ${name} is no target of 8 hex digits`);
return Number.parseInt(value, 16);
}
function readParams(fields) {
const params = {};
const take = (names, read) =>
Object.entries(names).forEach(([name, field]) => {
params[field] = read(fields.get(name), name);
fields.delete(name);
});
take(TEXTS, string);
take(NUMBERS, number);
take(AMOUNTS, (value, name) => readAmount(string(value, name)));
take(TARGETS, target);
fields.delete("allocations");
for (const name of fields.keys()) throw unreadable(`the network's file has the unknown field ${name}`);
return params;
}
function readUpgrade(fields) {
const optional = (name, read) => (fields.has(name) ? read(fields.get(name), name) : undefined);
return {
height: number(fields.get("height"), "height"),
name: string(fields.get("name"), "name"),
maxBlockBytes: optional("max_block_bytes", number),
maxNewAccounts: optional("max_new_accounts", number),
accountPrice: optional("account_price", (value, name) => readAmount(string(value, name))),
feature: optional("feature", string),
};
}
function readNetworkFile(text) {
if (text.length > MAX_NETWORK_FILE) {
throw unreadable(`the network's file has ${text.length} characters, expected at most ${MAX_NETWORK_FILE}`);
}
const [first, ...tables] = readTables(text);
const params = readParams(first.fields);
const named = (name) => tables.filter((table) => table.name === name).map((table) => table.fields);
const unknown = tables.find((table) => !["allocations", "upgrade", "defaults"].includes(table.name));
if (unknown) throw unreadable(`the network's file has the unknown table ${unknown.name}`);
const allocation = (fields) => ({
address: readAddress(string(fields.get("address"), "address"), params.prefix).bytes,
amount: readAmount(string(fields.get("amount"), "amount")),
});
const allocations = named("allocations").map(allocation);
return makeNetwork({ ...params, allocations }, named("upgrade").map(readUpgrade));
}
return { MAX_NETWORK_FILE, readNetworkFile };
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

const receipt_module = (() => {
const { Reader, fromHex, toHex } = bytes_module;
const { ProofError, demand, unreadable } = errors_module;
const { MAX_PROOF_BYTES, checkLightProof, readLightProof } = light_proof_module;
const { shippedNetwork } = networks_module;
const { RECEIPT_SAMPLES } = samples_module;
const { field, readJson } = shapes_module;
const { MAX_TRANSACTION_PROOF_BYTES, checkTransactionProof, readTransactionProof } = transaction_proof_module;
const MAX_RECEIPT_BYTES = 32 + MAX_PROOF_BYTES + MAX_TRANSACTION_PROOF_BYTES;
const MAX_RECEIPT_FILE = 2 * MAX_RECEIPT_BYTES + 4096;
const VERSION = 1;
const OLD_MS = 86_400_000;
function decodeReceipt(bytes) {
demand(
bytes.length <= MAX_RECEIPT_BYTES,
() => {
return `the receipt has ${bytes.length} bytes, expected at most ${MAX_RECEIPT_BYTES}`;
},
"decode",
);
const reader = new Reader(bytes, "receipt");
const tip = reader.take(32);
const light = readLightProof(reader);
return { tip, light, proof: readTransactionProof(reader) };
}
function checkReceipt(network, receipt, now) {
const request = { tip: receipt.tip, random: new Uint8Array(32), samples: RECEIPT_SAMPLES };
const tip = checkLightProof(network, request, receipt.light, now);
const place = checkTransactionProof(network, receipt.proof, tip);
return { tip, place, transaction: receipt.proof.transaction };
}
function readReceiptFile(text) {
const file = readJson(text, MAX_RECEIPT_FILE, "receipt");
const version = field(file, "cairn_receipt", "number");
if (version !== VERSION) throw unreadable(`got version ${version} of a receipt, expected ${VERSION}`);
const chain = field(file, "chain", "string").slice(0, 32);
const genesisId = toHex(fromHex(field(file, "genesis_id", "string"), "genesis_id", 32));
const txid = toHex(fromHex(field(file, "txid", "string"), "txid", 32));
return { chain, genesisId, txid, raw: fromHex(field(file, "raw", "string"), "receipt", 33, MAX_RECEIPT_BYTES) };
}
function checkReceiptFile(network, file, { now, leastWork = 0n }) {
if (file.genesisId !== network.genesisId) {
const text = `the receipt is for the network ${file.genesisId}, expected ${network.genesisId}`;
throw new ProofError(text, "failure", "network");
}
const mined = checkReceipt(network, decodeReceipt(file.raw), now);
const txid = toHex(mined.transaction.id);
demand(txid === file.txid, () => `the receipt says it is for the payment ${file.txid}, and proves ${txid}`);
demand(
mined.place.workAbove >= leastWork,
() => {
return `${mined.place.workAbove} hashes of work lie above the payment, expected at least ${leastWork}`;
},
"work",
);
return mined;
}
function cautions(network, { tip, place }, now) {
const notes = [];
if (!shippedNetwork(network.genesisId)) {
notes.push(
"Compare the genesis id with the one that you know: work on a network of somebody's own is worth nothing.",
);
}
if (now - tip.tip.time > OLD_MS) notes.push("It is old: the payment may have been left behind since.");
if (place.workAbove === 0n) notes.push("No work lies above the payment yet: its block may still be replaced.");
const cost =
"To forge this would cost about the work above the payment: compare it with what the payment is worth.";
return [...notes, `${cost} What happened to the chain after its newest block, no receipt can know.`];
}
return { MAX_RECEIPT_BYTES, MAX_RECEIPT_FILE, decodeReceipt, checkReceipt, readReceiptFile, checkReceiptFile, cautions };
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

const receipt_page_module = (() => {
const { showAddress } = address_module;
const { fromHex, toHex } = bytes_module;
const { byId, code, element, moment, showVerdict, terms } = dom_module;
const { ProofError, failure } = errors_module;
const { HEADER_BYTES } = header_module;
const { MAX_NETWORK_FILE, readNetworkFile } = network_file_module;
const { findNetwork, shippedNetwork } = networks_module;
const { MAX_RECEIPT_FILE, cautions, checkReceiptFile, readReceiptFile } = receipt_module;
const { Node } = rpc_module;
const { field } = shapes_module;
const { approximate, inert, memoText, showAge, showAmount } = text_module;
async function readFile(file, most, what) {
if (file.size > most) throw failure(`the ${what} has ${file.size} bytes, expected at most ${most}`);
return file.text();
}
function servingNode() {
const { protocol, origin } = window.location;
if (protocol !== "http:" && protocol !== "https:") return null;
return new Node(`${origin}/`, { fetch: (url, options) => window.fetch(url, options) });
}
async function networkFor(genesisId) {
const [file] = byId("network").files;
if (file) return readNetworkFile(await readFile(file, MAX_NETWORK_FILE, "network's file"));
const shipped = shippedNetwork(genesisId);
if (shipped) return shipped;
const node = servingNode();
if (!node) throw failure(`this page does not know the network ${genesisId}: choose its file below`);
return findNetwork(genesisId, {
describe: () => node.file("/web/network.json"),
block0: async () =>
fromHex(field(await node.call("chain_getHeader", [0]), "raw", "string"), "header", HEADER_BYTES),
});
}
function leastWork() {
const text = byId("work").value.trim();
if (text === "") return 0n;
if (!/^[0-9]{1,78}$/.test(text)) throw failure("the least work is no whole number of hashes");
return BigInt(text);
}
function rows(network, { tip, place, transaction }) {
const { header, confirmations, workAbove } = place;
const { prefix } = network;
const memo = memoText(transaction.memo);
const paid = transaction.outputs.map(({ to, amount }) => {
return ["to", element("span", "", [code(showAddress(prefix, to)), ` ${showAmount(amount)} CRN`])];
});
return [
["payment", code(toHex(transaction.id))],
["from", code(showAddress(prefix, transaction.sender))],
...paid,
["fee", `${showAmount(transaction.fee)} CRN`],
...(transaction.memo.length ? [["memo", memo ?? code(toHex(transaction.memo))]] : []),
["block", element("span", "", [`${header.height} (`, moment(header.time), "), ", code(toHex(header.id))])],
["buried", `${confirmations} deep, under ${approximate(workAbove)} hashes of work (${workAbove})`],
["chain", `${approximate(tip.work)} hashes of work in all, up to block ${tip.height}`],
["newest block", element("span", "", [moment(tip.tip.time), `, ${showAge(Date.now() - tip.tip.time)} ago`])],
["network", element("span", "", [`${network.name}, genesis `, code(network.genesisId)])],
];
}
async function check(text) {
const place = byId("verdict");
showVerdict(place, "checking", ["Checking …"]);
try {
const file = readReceiptFile(text.trim());
const network = await networkFor(file.genesisId);
const mined = checkReceiptFile(network, file, { now: Date.now(), leastWork: leastWork() });
const parts = [
element("h2", "The payment was mined."),
terms(rows(network, mined)),
...cautions(network, mined, Date.now()).map((note) => element("p", note)),
];
showVerdict(place, "proven", parts);
} catch (error) {
if (!(error instanceof ProofError)) throw error;
const heading = error.kind === "failure" ? "This could not be checked." : "This receipt proves nothing.";
showVerdict(place, error.kind === "failure" ? "failed" : "lied", [
element("h2", heading),
element("p", inert(error.message, 600)),
]);
}
}
async function take(file) {
const text = await readFile(file, MAX_RECEIPT_FILE, "receipt").catch((error) => {
showVerdict(byId("verdict"), "failed", [element("p", error.message)]);
return null;
});
if (text === null) return;
byId("text").value = text;
await check(text);
}
byId("file").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
byId("form").addEventListener("submit", (event) => {
event.preventDefault();
check(byId("text").value);
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
event.preventDefault();
const [file] = event.dataTransfer?.files ?? [];
if (file) take(file);
});
return {  };
})();
})();
