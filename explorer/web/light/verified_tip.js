// What a verifier knows after a proof, keeps, and goes on from: docs/protocol.md, 10.5.

import { concat, equal, toHex } from "./bytes.js";
import { follow } from "./chain.js";
import { ProofError, demand } from "./errors.js";
import { HEADER_BYTES, checkAlone, splitHeaders } from "./header.js";
import { History, NODE_BYTES, leafOf, readNode } from "./history.js";
import { HOUR_MS, marksOf, workRate } from "./marks.js";
import { TAIL } from "./samples.js";
import { nextTarget, workOf } from "./targets.js";

/** Blocks, and times the work of one, that lie above the block an account is read from. */
export const BURIAL = 6;
/** A last hour with less than one part in this many of an average hour's work is suspicious. */
const SLOW = 4;
/** The version of what is kept. */
const KEPT_VERSION = 1;

/** A tip whose work was proven, the last headers up to it, and the history up to and including it. */
export class VerifiedTip {
  /**
   * @param {{headers: import("./header.js").Header[], history: History, below: History,
   *   moments: import("./marks.js").Moment[], samples: number}} parts headers ascending, the tip last; `below` is the
   *   history that the tip commits to
   */
  constructor({ headers, history, below, moments, samples }) {
    this.headers = headers.slice(-(TAIL + 1));
    this.history = history;
    this.below = below;
    this.marks = marksOf(moments);
    /** Samples that were checked; 0 when every header was. */
    this.samples = samples;
    this.work = history.work;
  }

  /** @param {object} network @returns {VerifiedTip} block 0, which everybody knows */
  static genesis(network) {
    const history = new History();
    history.append(network.genesisLeaf);
    const moments = [{ time: network.genesis.time, work: 0n }];
    return new VerifiedTip({ headers: [network.genesis], history, below: new History(), moments, samples: 0 });
  }

  /** @returns {import("./header.js").Header} */
  get tip() {
    return this.headers[this.headers.length - 1];
  }

  /** @returns {string} its id in hex */
  get id() {
    return toHex(this.tip.id);
  }

  /** @returns {number} */
  get height() {
    return this.tip.height;
  }

  /** @param {number} height @returns {import("./header.js").Header|undefined} if it is one of the last */
  headerAt(height) {
    return this.headers[height - this.headers[0].height];
  }

  /** @param {import("./header.js").Header} header one of these @returns {bigint} */
  ownWork(header) {
    return header.height === 0 ? 0n : workOf(header.target);
  }

  /** @param {number} height of one of the last headers @returns {bigint} the work of all blocks above it */
  workAbove(height) {
    const above = this.headers.slice(height - this.headers[0].height + 1);
    return above.reduce((sum, header) => sum + this.ownWork(header), 0n);
  }

  /**
   * The block that accounts are read from: one `stateRoot` can be faked for one block's work, so enough lies above.
   * Where there is no such block: the one six below the tip, or the tip of a shorter chain, and `buried` is false.
   * @returns {{header: import("./header.js").Header, buried: boolean}}
   */
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

  /**
   * @param {number} now Unix ms
   * @returns {number|null} how many times more work an hour of the last day had than the last hour, if that is too many
   */
  slowed(now) {
    const moment = Math.max(now, this.tip.time);
    const late = this.headers.filter((header) => header.time > moment - HOUR_MS);
    const whole = this.headers[0].time <= moment - HOUR_MS;
    const counted = Number(late.reduce((sum, header) => sum + this.ownWork(header), 0n));
    const hour = whole ? counted : workRate(this.marks, moment, HOUR_MS).hourly;
    const day = workRate(this.marks, moment, 24 * HOUR_MS);
    return day.hours >= 2 && hour * SLOW < day.hourly ? day.hourly / Math.max(1, hour) : null;
  }

  /**
   * The tip that follows from this one by headers, each checked as a full node checks it.
   * @param {object} network
   * @param {Uint8Array} tip the id it has to end with
   * @param {Uint8Array} bytes the headers, one after the other
   * @param {number} now Unix ms
   * @returns {VerifiedTip}
   */
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

  /** @returns {object} plain data, for the visitor's own storage */
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

  /**
   * Gives back what was kept, if it holds together: the last headers have work and are linked, and the tip commits to
   * the history. Whether that was ever proven nobody can see in it.
   * @param {object} network
   * @param {unknown} kept
   * @returns {VerifiedTip|null} null where it does not: that costs a whole proof and nothing else
   */
  static restore(network, kept) {
    try {
      return restore(network, kept);
    } catch (error) {
      // Storage may hold anything; whatever is wrong with it, it is not used.
      if (error instanceof ProofError || error instanceof TypeError || error instanceof SyntaxError) return null;
      throw error;
    }
  }
}

/** The leaf of a tip, whose next target follows from its parent's time. */
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
