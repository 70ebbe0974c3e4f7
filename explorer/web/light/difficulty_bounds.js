// What a tree of blocks that nobody looked into may say of its targets, time and work: docs/protocol.md, 10.3.

import { demand } from "./errors.js";
import { LIMIT, bitLength, decodeTarget, showTarget, stepTarget, work, workOf } from "./targets.js";

const ONE = 1n << 32n;

/**
 * @param {bigint} value above 0
 * @returns {bigint} its binary logarithm in units of 2^-32
 */
export function logarithm(value) {
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

/** The bounds of a network; the same targets come again and again, so their logarithms are kept. */
export class DifficultyBounds {
  #logarithms = new Map();

  /** @param {{intervalMs: bigint, halfLifeMs: bigint, powLimitValue: bigint}} network */
  constructor(network) {
    this.network = network;
    this.least = work(network.powLimitValue);
    this.rho = (network.intervalMs * ONE) / network.halfLifeMs;
    this.sigma = this.rho + (1n << 21n);
  }

  /** The least work of n blocks of which the first has the target `first`. */
  falling(first, n) {
    let [sum, j] = [0n, 0n];
    for (let each = work(first); j < n && each > this.least; j += 1n, each >>= 1n) sum += each;
    return sum + (n - j) * this.least;
  }

  /** The least work of n blocks after which the target `next` is demanded. */
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

  /**
   * @param {number} first compact @param {number} next compact @param {bigint} n blocks @param {bigint} time ms
   * @returns {{work: bigint, easier: bigint, harder: bigint}} the least work, and how far the target may move
   */
  of(first, next, n, time) {
    const least = max(this.falling(decodeTarget(first), n), this.rising(decodeTarget(next), n));
    const octaves = min((time * ONE) / this.network.halfLifeMs, n * ONE);
    return { work: least, easier: octaves - n * this.rho + (n << 20n), harder: -n * this.sigma };
  }

  /** Refuses a target that no block may have. */
  #checkTarget(bits, what) {
    const value = decodeTarget(bits);
    demand(value !== null && value <= this.network.powLimitValue, () => {
      return `${what} has the target ${showTarget(bits)}, which is not in normal form or above the network's limit`;
    });
  }

  /**
   * Refuses a tree that is not plausible.
   * @param {import("./history.js").Node} node
   * @param {number} start the height of its first block
   * @param {number} size how many blocks it has
   * @param {number} before the time of the block before it
   */
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

  /** A single block shows everything but its header: its work and the next target follow. */
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
