// Targets, work and the rule of difficulty: docs/protocol.md, 6.4 and 7.5. All 256-bit numbers are BigInts.

import { demand } from "./errors.js";

/** 2^256: a sum of work has to stay below it. */
export const LIMIT = 1n << 256n;

/** @param {bigint} value above 0 @returns {number} how many bits it has */
export function bitLength(value) {
  const digits = value.toString(16);
  return 4 * digits.length - Math.clz32(Number.parseInt(digits[0], 16)) + 28;
}

/** @param {number} bits a compact target @returns {string} as in headers of JSON-RPC */
export const showTarget = (bits) => bits.toString(16).padStart(8, "0");

/**
 * The compact form of a value from 1 to 2^256 - 1; bits below its three bytes are cut off.
 * @param {bigint} value
 * @returns {number}
 */
export function compact(value) {
  let size = Math.ceil(bitLength(value) / 8);
  let mantissa = Number(size > 3 ? value >> BigInt(8 * (size - 3)) : value << BigInt(8 * (3 - size)));
  if (mantissa & 0x800000) {
    mantissa >>= 8;
    size += 1;
  }
  return size * 0x1000000 + mantissa;
}

/**
 * @param {number} bits
 * @returns {bigint|null} the value of a compact target; null where it is not in normal form
 */
export function decodeTarget(bits) {
  const size = bits >>> 24;
  const mantissa = bits & 0xffffff;
  if (mantissa & 0x800000 || size > 33) return null;
  const value = size > 3 ? BigInt(mantissa) << BigInt(8 * (size - 3)) : BigInt(mantissa) >> BigInt(8 * (3 - size));
  return value > 0n && value < LIMIT && compact(value) === bits ? value : null;
}

/** @param {bigint} target @returns {bigint} the attempts that meeting it takes on average */
export const work = (target) => LIMIT / (target + 1n);

/** @param {number} bits a compact target in normal form @returns {bigint} its work */
export function workOf(bits) {
  const target = decodeTarget(bits);
  demand(target !== null, () => `got the target ${showTarget(bits)}, which is not in normal form`);
  return work(target);
}

/** @param {bigint} a @param {bigint} b @returns {bigint} their sum, which has to fit 256 bits */
export function addWork(a, b) {
  const sum = a + b;
  demand(sum < LIMIT, () => "the work adds up to more than 256 bits");
  return sum;
}

/** @param {bigint} a @param {bigint} b above 0 @returns {bigint} rounded down, also where `a` is negative */
export function floorDiv(a, b) {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

/**
 * The target of a block after one with the target `bits` that came `gap` milliseconds after its own parent.
 * @param {{intervalMs: bigint, halfLifeMs: bigint, powLimitValue: bigint}} network
 * @param {number} bits in normal form
 * @param {bigint} gap
 * @returns {number}
 */
export function stepTarget(network, bits, gap) {
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

/**
 * The target that block `height + 1` has to have.
 * @param {object} network
 * @param {number} height of the block before it
 * @param {number} bits that block's target
 * @param {number} before the time of the block before that
 * @param {number} time that block's time
 * @returns {number}
 */
export function nextTarget(network, height, bits, before, time) {
  return height < 2 ? network.genesisTarget : stepTarget(network, bits, BigInt(time) - BigInt(before));
}
