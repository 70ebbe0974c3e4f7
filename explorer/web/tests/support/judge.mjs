// What the tests of attacks share: an honest judge of a tip, and that something is refused for its own reason.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ProofError } from "../../light/errors.js";
import { checkLightProof, decodeLightProof } from "../../light/light_proof.js";

export const RANDOM = new Uint8Array(32).fill(3);
export const refused = (judge, reason) =>
  assert.throws(judge, (error) => error instanceof ProofError && reason.test(error.message));

/** Judges a proof of a chain's tip. */
export function judge(chain, bytes, { random = RANDOM, tip = chain.tip.id, now = chain.tip.time } = {}) {
  return checkLightProof(chain.network, { tip, random, samples: 56 }, decodeLightProof(bytes), now);
}
