// Headers: docs/protocol.md, 6.1, and what holds of one by itself (7.2, 1 and 2).

import { Reader, bigEndian, isZero } from "./bytes.js";
import { ProofError, demand } from "./errors.js";
import { sha256, tagged } from "./sha256.js";
import { decodeTarget, showTarget } from "./targets.js";

/** Encoded size of a header. */
export const HEADER_BYTES = 190;
const sealHash = tagged("cairn/seal");

/**
 * @typedef {object} Header
 * @property {Uint8Array} raw its 190 bytes
 * @property {Uint8Array} id
 * @property {number} version
 * @property {number} height
 * @property {Uint8Array} parent
 * @property {number} time Unix ms
 * @property {number} target in compact form
 * @property {Uint8Array} beneficiary
 * @property {Uint8Array} txsRoot
 * @property {Uint8Array} stateRoot
 * @property {Uint8Array} historyRoot
 * @property {bigint} nonce
 */

/**
 * Reads a header. Heights and times above 2^53 lose digits here; no chain that ends in the present has any.
 * @param {Uint8Array} bytes
 * @returns {Header}
 */
export function readHeader(bytes) {
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

/** @param {Uint8Array} raw the 190 bytes of a header @returns {Uint8Array} what a miner works on */
export const headerSeal = (raw) => sealHash(raw.subarray(0, HEADER_BYTES - 8));

/** @param {Uint8Array} raw the 190 bytes of a header @returns {Uint8Array} */
export function headerId(raw) {
  return sha256(sha256(headerSeal(raw), raw.subarray(HEADER_BYTES - 8)));
}

/**
 * Reads a list of headers without lengths between them.
 * @param {Uint8Array} bytes
 * @param {number} count
 * @returns {Header[]}
 */
export function splitHeaders(bytes, count) {
  const at = (place) => bytes.subarray(place * HEADER_BYTES, (place + 1) * HEADER_BYTES);
  return Array.from({ length: count }, (_, place) => readHeader(at(place)));
}

/**
 * What holds of a header whatever its parent is; block 0 is exempt.
 * @param {object} network
 * @param {Header} header
 */
export function checkAlone(network, header) {
  const where = `block ${header.height}`;
  demand(!isZero(header.beneficiary), () => `${where} has no beneficiary`);
  const target = decodeTarget(header.target);
  demand(target !== null, () => `${where} has the target ${showTarget(header.target)}, which is not in normal form`);
  demand(target <= network.powLimitValue, () => {
    return `${where} has the target ${showTarget(header.target)}, expected at most ${showTarget(network.powLimit)}`;
  });
  demand(bigEndian(header.id) <= target, () => `the id of ${where} does not meet its target: nobody worked for it`);
}

/**
 * The version of a block's rules. Another one is no lie: it may be this page that lacks an upgrade.
 * @param {object} network
 * @param {Header} header
 */
export function checkVersion(network, header) {
  const expected = network.versionAt(header.height);
  if (header.version === expected) return;
  const text =
    `block ${header.height} has version ${header.version}, expected ${expected}: it was made under rules ` +
    "that this page does not know";
  throw new ProofError(text, "failure", "version");
}
