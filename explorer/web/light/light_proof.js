// The light proof of a chain's work from block 0 to a tip (FlyClient): docs/protocol.md, 10.1, 10.2 and 10.4.

import { Reader, equal, toHex } from "./bytes.js";
import { follow } from "./chain.js";
import { DifficultyBounds } from "./difficulty_bounds.js";
import { demand } from "./errors.js";
import { HEADER_BYTES, checkAlone, checkVersion, splitHeaders } from "./header.js";
import { History, NODE_BYTES, leafOf, readNode } from "./history.js";
import { TAIL, offsets, sampleSeed } from "./samples.js";
import { addWork, nextTarget, showTarget, workOf } from "./targets.js";
import { VerifiedTip } from "./verified_tip.js";

/** No proof is longer: docs/protocol.md, 10.1. */
export const MAX_PROOF_BYTES = 8 << 20;

/**
 * @typedef {object} LightProof
 * @property {import("./header.js").Header[]} tail
 * @property {import("./header.js").Header[]} opened
 * @property {import("./history.js").Node[]} nodes
 */

/** @param {Reader} reader @returns {LightProof} */
export function readLightProof(reader) {
  const headers = (most) => {
    const count = reader.count("headers", HEADER_BYTES, most);
    return splitHeaders(reader.take(count * HEADER_BYTES), count);
  };
  const [tail, opened] = [headers(TAIL + 1), headers()];
  const count = reader.count("nodes", NODE_BYTES);
  const nodes = Array.from({ length: count }, () => readNode(reader.take(NODE_BYTES)));
  return { tail, opened, nodes };
}

/** @param {Uint8Array} bytes @returns {LightProof} */
export function decodeLightProof(bytes) {
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

/** The sizes of the greatest complete trees from block `from` up to block `to`, not included. */
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

/** The walk over the blocks before the tail: what was passed, and where the work of each opened block lies. */
class HistoryWalk {
  constructor(network) {
    this.network = network;
    this.bounds = new DifficultyBounds(network);
    this.history = new History();
    this.history.append(network.genesisLeaf);
    this.work = 0n;
    this.time = network.genesis.time;
    /** The header of the last block, if that was opened. */
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

  /** @param {import("./history.js").Node} node @param {number} size */
  tree(node, size) {
    this.bounds.check(node, this.history.count, size, this.time);
    this.#append(node, size);
    this.last = null;
  }

  /** @param {import("./header.js").Header} header */
  opened(header) {
    const height = this.history.count;
    checkAlone(this.network, header);
    demand(this.last === null || equal(header.parent, this.last.id), () => {
      return `block ${height} has the parent ${toHex(header.parent)}, expected ${toHex(this.last.id)}`;
    });
    // Without this comparison one fresh block could commit to anything.
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

/** Walks over all tiles: the opened headers, and the trees between them. */
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

/** Finds the opened block in which an offset of work lies. */
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

/** Refuses unless exactly those blocks are opened that the samples ask for. */
function checkSamples(walk, wanted, start) {
  const sampled = wanted.map((offset) => blockAt(walk.samples, offset));
  const three = sampled.flatMap((height) => [height, height - 1, height - 2]);
  const needed = new Set([...three, start - 1, start - 2].filter((height) => height > 0));
  const there = new Set(walk.samples.map((sample) => sample.height));
  for (const height of needed)
    demand(there.has(height), () => `block ${height} is not opened, and a sample needs it`);
  for (const height of there) demand(needed.has(height), () => `block ${height} is opened, and no sample needs it`);
}

/** Walks over the tail as a full node does. */
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

/**
 * Checks a light proof.
 * @param {object} network
 * @param {{tip: Uint8Array, random: Uint8Array, samples: number}} request what was asked, and samples in each octave
 * @param {LightProof} proof
 * @param {number} now Unix ms
 * @returns {VerifiedTip}
 */
export function checkLightProof(network, request, proof, now) {
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
