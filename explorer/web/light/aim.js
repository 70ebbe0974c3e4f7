// Random bytes that make a light proof open a wanted block. Nobody has to believe such a proof for its samples: the
// tip was proven before, with bytes that nobody could choose. It shows that the block is one of those below that tip,
// which JSON-RPC shows of blocks with payments only.

import { failure } from "./errors.js";
import { SAMPLES, octaves, rawOffset, sampleSeed } from "./samples.js";

/** Tries, of 56 hashes each: enough for chains of some ten million blocks. */
const MAX_TRIES = 100_000;

/**
 * @param {import("./verified_tip.js").VerifiedTip} tip
 * @param {import("./header.js").Header} header below the tail
 * @param {bigint} work the work of the chain up to and including it, as a node says; if that is wrong, the proof opens
 *   another block, and nothing is shown
 * @param {() => Uint8Array} random
 * @returns {Uint8Array}
 */
export function aimedRandom(tip, header, work, random) {
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
