// QR codes (ISO/IEC 18004): text in byte mode, error correction of level M, versions 1 to 20.

import { utf8 } from "./bytes.js";

const MAX_VERSION = 20;
/** For each version: error correction codewords of a block, and blocks. */
const ECC = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
const QUIET = 4;
const SVG = "http://www.w3.org/2000/svg";

/** Products in the field of 256 elements, modulo x^8 + x^4 + x^3 + x^2 + 1. */
function multiply(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d);
    product ^= ((b >>> bit) & 1) * a;
  }
  return product;
}

/** The Reed-Solomon codewords of some data. */
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

/** The middles of the alignment patterns. */
function alignments(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((sizeOf(version) - 13) / (2 * count - 2)) * 2;
  const rest = Array.from({ length: count - 1 }, (_, place) => sizeOf(version) - 7 - place * step);
  return [6, ...rest.reverse()];
}

/** Modules that hold data, in bits. */
function capacity(version) {
  const size = sizeOf(version);
  const patterns = alignments(version).length;
  const aligned = patterns ? (patterns * patterns - 3) * 25 - (patterns - 2) * 10 : 0;
  return size * size - 3 * 64 - 31 - 2 * (size - 16) - aligned - (version >= 7 ? 36 : 0);
}

const dataBytes = (version) => (capacity(version) >> 3) - ECC[version - 1] * BLOCKS[version - 1];

/** The data's codewords: mode, length, bytes, and what fills them up. */
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

/** Data and corrections of all blocks, one codeword of each in turn. */
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

/** A square of modules: 1 dark, 0 light, and which of them are fixed. */
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

  /** Level M is 0 in the two bits before the mask. */
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

  /** Codewords in pairs of columns, from the right, up and down in turn. */
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

  /** How hard it is to read: long runs, blocks, what looks like a finder, and too much of one colour. */
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

/**
 * @param {string} text
 * @returns {number[][]|null} rows of modules, 1 for dark; null where the text is too long
 */
export function qrCode(text) {
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

/** @param {string} text @returns {SVGElement|null} a picture of it; null where the text is too long */
export function qrSvg(text) {
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
