// Made by tools/bundle.mjs from light/pay_page.js and the modules that it needs. Do not edit.
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

const payment_uri_module = (() => {
const { utf8 } = bytes_module;
const { unreadable } = errors_module;
const { inert, readAmount, showAmount } = text_module;
const SCHEME = "cairn:";
const MAX_URI_BYTES = 2048;
const MAX_MEMO_BYTES = 256;
const MAX_LABEL_BYTES = 128;
function readUri(text) {
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
function writeUri({ address, amount, memo, label }) {
const fields = [];
if (amount !== null) fields.push(`amount=${showAmount(amount)}`);
if (memo !== null) fields.push(`memo=${escape(memo)}`);
if (label !== null) fields.push(`label=${escape(label)}`);
return `${SCHEME}${address}${fields.length ? "?" : ""}${fields.join("&")}`;
}
return { SCHEME, readUri, writeUri };
})();

const qr_module = (() => {
const { utf8 } = bytes_module;
const MAX_VERSION = 20;
const ECC = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
const QUIET = 4;
const SVG = "http://www.w3.org/2000/svg";
function multiply(a, b) {
let product = 0;
for (let bit = 7; bit >= 0; bit -= 1) {
product = (product << 1) ^ ((product >>> 7) * 0x11d);
product ^= ((b >>> bit) & 1) * a;
}
return product;
}
function corrections(data, count) {
const divisor = [...new Array(count - 1).fill(0), 1];
let root = 1;
for (let i = 0; i < count; i += 1) {
for (let j = 0; j < count; j += 1) divisor[j] = multiply(divisor[j], root) ^ (divisor[j + 1] ?? 0);
root = multiply(root, 2);
}
const rest = new Array(count).fill(0);
for (const byte of data) {
const factor = byte ^ rest.shift();
rest.push(0);
divisor.forEach((each, place) => {
rest[place] ^= multiply(each, factor);
});
}
return rest;
}
const sizeOf = (version) => 17 + 4 * version;
function alignments(version) {
if (version === 1) return [];
const count = Math.floor(version / 7) + 2;
const step = Math.ceil((sizeOf(version) - 13) / (2 * count - 2)) * 2;
const rest = Array.from({ length: count - 1 }, (_, place) => sizeOf(version) - 7 - place * step);
return [6, ...rest.reverse()];
}
function capacity(version) {
const size = sizeOf(version);
const patterns = alignments(version).length;
const aligned = patterns ? (patterns * patterns - 3) * 25 - (patterns - 2) * 10 : 0;
return size * size - 3 * 64 - 31 - 2 * (size - 16) - aligned - (version >= 7 ? 36 : 0);
}
const dataBytes = (version) => (capacity(version) >> 3) - ECC[version - 1] * BLOCKS[version - 1];
function encodeData(bytes, version) {
const bits = [];
const push = (value, length) => {
for (let bit = length - 1; bit >= 0; bit -= 1) bits.push((value >>> bit) & 1);
};
push(4, 4);
push(bytes.length, version < 10 ? 8 : 16);
bytes.forEach((byte) => push(byte, 8));
push(0, Math.min(4, dataBytes(version) * 8 - bits.length));
while (bits.length % 8) bits.push(0);
const words = Array.from({ length: bits.length / 8 }, (_, i) =>
Number.parseInt(bits.slice(8 * i, 8 * i + 8).join(""), 2),
);
for (let pad = 0xec; words.length < dataBytes(version); pad ^= 0xec ^ 0x11) words.push(pad);
return words;
}
function interleave(words, version) {
const [count, ecc] = [BLOCKS[version - 1], ECC[version - 1]];
const short = Math.floor(words.length / count);
const long = words.length % count;
let at = 0;
const blocks = Array.from({ length: count }, (_, place) => {
const data = words.slice(at, at + short + (place >= count - long ? 1 : 0));
at += data.length;
return { data, rest: corrections(data, ecc) };
});
const columns = (name, length) => Array.from({ length }, (_, i) => blocks.map((block) => block[name][i])).flat();
return [...columns("data", short + 1), ...columns("rest", ecc)].filter((word) => word !== undefined);
}
class Matrix {
constructor(version) {
this.version = version;
this.size = sizeOf(version);
this.dark = Array.from({ length: this.size }, () => new Array(this.size).fill(0));
this.fixed = Array.from({ length: this.size }, () => new Array(this.size).fill(false));
}
set(x, y, dark) {
if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
this.dark[y][x] = dark ? 1 : 0;
this.fixed[y][x] = true;
}
patterns() {
const { size } = this;
for (let i = 0; i < size; i += 1) {
this.set(6, i, i % 2 === 0);
this.set(i, 6, i % 2 === 0);
}
const square = (x, y, radius, isDark) => {
for (let dy = -radius; dy <= radius; dy += 1) {
for (let dx = -radius; dx <= radius; dx += 1)
this.set(x + dx, y + dy, isDark(Math.max(Math.abs(dx), Math.abs(dy))));
}
};
for (const [x, y] of [
[3, 3],
[size - 4, 3],
[3, size - 4],
])
square(x, y, 4, (ring) => ring !== 2 && ring !== 4);
const middles = alignments(this.version);
const last = middles.length - 1;
middles.forEach((x, i) =>
middles.forEach((y, j) => {
const corner = (i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0);
if (!corner) square(x, y, 2, (ring) => ring !== 1);
}),
);
this.format(0);
if (this.version >= 7) this.#versionBits();
}
#versionBits() {
let rest = this.version;
for (let i = 0; i < 12; i += 1) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
const bits = (this.version << 12) | rest;
for (let i = 0; i < 18; i += 1) {
const [a, b] = [this.size - 11 + (i % 3), Math.floor(i / 3)];
this.set(a, b, (bits >>> i) & 1);
this.set(b, a, (bits >>> i) & 1);
}
}
format(mask) {
let rest = mask;
for (let i = 0; i < 10; i += 1) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
const bits = ((mask << 10) | rest) ^ 0x5412;
const bit = (i) => (bits >>> i) & 1;
for (let i = 0; i <= 5; i += 1) this.set(8, i, bit(i));
this.set(8, 7, bit(6));
this.set(8, 8, bit(7));
this.set(7, 8, bit(8));
for (let i = 9; i < 15; i += 1) this.set(14 - i, 8, bit(i));
for (let i = 0; i < 8; i += 1) this.set(this.size - 1 - i, 8, bit(i));
for (let i = 8; i < 15; i += 1) this.set(8, this.size - 15 + i, bit(i));
this.set(8, this.size - 8, true);
}
fill(words) {
let place = 0;
for (let right = this.size - 1; right >= 1; right -= 2) {
if (right === 6) right = 5;
for (let step = 0; step < this.size; step += 1) {
for (let j = 0; j < 2; j += 1) {
const x = right - j;
const y = ((right + 1) & 2) === 0 ? this.size - 1 - step : step;
if (this.fixed[y][x] || place >= words.length * 8) continue;
this.dark[y][x] = (words[place >>> 3] >>> (7 - (place & 7))) & 1;
place += 1;
}
}
}
}
mask(number) {
const rules = [
(x, y) => (x + y) % 2,
(x, y) => y % 2,
(x) => x % 3,
(x, y) => (x + y) % 3,
(x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
(x, y) => ((x * y) % 2) + ((x * y) % 3),
(x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
(x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];
this.dark.forEach((row, y) =>
row.forEach((_, x) => {
if (!this.fixed[y][x] && rules[number](x, y) === 0) row[x] ^= 1;
}),
);
this.format(number);
}
penalty() {
const { size, dark } = this;
const columns = dark.map((_, x) => dark.map((row) => row[x]));
let sum = 0;
for (const line of [...dark, ...columns].map((each) => each.join(""))) {
for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
const padded = `0000${line}0000`;
sum += 40 * [...padded.matchAll(/(?=00001011101|10111010000)/g)].length;
}
for (let y = 0; y + 1 < size; y += 1) {
for (let x = 0; x + 1 < size; x += 1) {
const four = dark[y][x] + dark[y][x + 1] + dark[y + 1][x] + dark[y + 1][x + 1];
if (four === 0 || four === 4) sum += 3;
}
}
const share = dark.flat().reduce((total, each) => total + each, 0) / (size * size);
return sum + 10 * Math.floor(Math.abs(share - 0.5) * 20);
}
}
function qrCode(text) {
const bytes = utf8(text);
let version = 1;
while (version <= MAX_VERSION && 4 + (version < 10 ? 8 : 16) + 8 * bytes.length > 8 * dataBytes(version))
version += 1;
if (version > MAX_VERSION) return null;
const words = interleave(encodeData(bytes, version), version);
const made = Array.from({ length: 8 }, (_, mask) => {
const matrix = new Matrix(version);
matrix.patterns();
matrix.fill(words);
matrix.mask(mask);
return matrix;
});
return made.reduce((best, each) => (each.penalty() < best.penalty() ? each : best)).dark;
}
function qrSvg(text) {
const rows = qrCode(text);
if (!rows) return null;
const size = rows.length + 2 * QUIET;
const svg = document.createElementNS(SVG, "svg");
svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
svg.setAttribute("class", "qr");
svg.setAttribute("role", "img");
svg.setAttribute("aria-label", "QR code of the payment URI");
const path = document.createElementNS(SVG, "path");
const modules = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")));
path.setAttribute("d", modules.join(""));
path.setAttribute("fill", "#000");
svg.append(path);
return svg;
}
return { qrCode, qrSvg };
})();

const pay_page_module = (() => {
const { readAddress } = address_module;
const { byId, code, element, showVerdict, terms } = dom_module;
const { ProofError } = errors_module;
const { SCHEME, readUri, writeUri } = payment_uri_module;
const { qrSvg } = qr_module;
const { inert, readAmount, showAmount } = text_module;
const NETWORKS = {
crn: ["main", "the main network"],
tcrn: ["test", "the test network: its money is worth nothing"],
lcrn: ["local", "a local network: its money is worth nothing"],
};
function checked(uri) {
const { prefix } = readAddress(uri.address);
const [chain, network] = NETWORKS[prefix] ?? [null, `the network whose addresses begin with ${prefix}1`];
return { ...uri, chain, network };
}
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
function show(text) {
const place = byId("verdict");
byId("uri").value = text;
try {
const uri = checked(readUri(text.trim()));
const rows = [
["pay to", code(uri.address)],
["on", uri.network],
["amount", uri.amount === null ? "as you choose" : `${showAmount(uri.amount)} CRN`],
...(uri.memo === null ? [] : [["memo, for everybody to read", inert(uri.memo)]]),
...(uri.label === null ? [] : [["the receiver calls itself", inert(uri.label)]]),
];
const command = `wallet ${uri.chain ? `--chain ${uri.chain} ` : ""}send ${quoted(writeUri(uri))}`;
const picture = qrSvg(writeUri(uri));
const parts = [
element("h2", "This asks for a payment."),
terms(rows),
element("p", "In a terminal: ", [code(command)]),
...(picture ? [picture] : []),
];
showVerdict(place, "proven", [
...parts,
element("p", "Whoever made this URI chose what it says. Compare the address."),
]);
} catch (error) {
if (!(error instanceof ProofError)) throw error;
showVerdict(place, "lied", [element("h2", "This is no payment URI."), element("p", inert(error.message, 600))]);
}
}
function make() {
try {
const value = (id) => byId(id).value.trim();
const address = value("address");
readAddress(address);
const amount = value("amount") === "" ? null : readAmount(value("amount"));
const text = writeUri({ address, amount, memo: value("memo") || null, label: value("label") || null });
readUri(text);
byId("problem").textContent = "";
show(text);
} catch (error) {
if (!(error instanceof ProofError)) throw error;
byId("problem").textContent = inert(error.message, 600);
}
}
function fromAddress() {
const { hash } = window.location;
if (hash.length < 2) return;
let text = hash.slice(1);
try {
if (!text.startsWith(SCHEME)) text = decodeURIComponent(text);
} catch (error) {
if (!(error instanceof URIError)) throw error;
}
show(text);
}
byId("read").addEventListener("submit", (event) => {
event.preventDefault();
show(byId("uri").value);
});
byId("make").addEventListener("submit", (event) => {
event.preventDefault();
make();
});
window.addEventListener("hashchange", fromAddress);
fromAddress();
return {  };
})();
})();
