// Which blocks a light proof has to open: docs/protocol.md, 10.4 (FlyClient's sampling, by work, denser towards the
// tip).

import { bigEndian, u64 } from "./bytes.js";
import { demand } from "./errors.js";
import { tagged } from "./sha256.js";

/** Samples of each octave where the verifier drew the random bytes, and in a receipt, whose maker had the tip alone. */
export const SAMPLES = 56;
export const RECEIPT_SAMPLES = 96;
/** Headers below the tip that come whole. */
export const TAIL = 512;
const MAX_OCTAVES = 64;
const seedHash = tagged("cairn/sample");
const offsetHash = tagged("cairn/offset");

/** @param {Uint8Array} tip @param {Uint8Array} random 32 bytes @returns {Uint8Array} */
export const sampleSeed = (tip, random) => seedHash(tip, random);

/** @param {Uint8Array} seed @param {number} octave @param {number} sample @returns {bigint} before it is fitted */
export const rawOffset = (seed, octave, sample) => bigEndian(offsetHash(seed, u64(octave), u64(sample)));

/**
 * The octaves of work, from the first half of a chain towards its tail.
 * @param {bigint} total the work of the chain
 * @param {bigint} history the work of what lies before the tail
 * @returns {{octave: number, low: bigint, length: bigint}[]}
 */
export function octaves(total, history) {
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

/**
 * The offsets of work that have to be shown.
 * @param {Uint8Array} seed
 * @param {bigint} total
 * @param {bigint} history
 * @param {number} each samples in each octave
 * @returns {bigint[]}
 */
export function offsets(seed, total, history, each) {
  return octaves(total, history).flatMap(({ octave, low, length }) => {
    return Array.from({ length: each }, (_, j) => low + (rawOffset(seed, octave, j) % length));
  });
}
