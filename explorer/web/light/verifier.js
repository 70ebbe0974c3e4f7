// The light client: asks all nodes, believes the most work, and names those who lie. It knows nothing of browsers.

import { anyAddress, showAddress } from "./address.js";
import { equal } from "./bytes.js";
import { Candidate } from "./candidate.js";
import { ProofError, failure } from "./errors.js";
import { Node, PATIENCE_MS } from "./rpc.js";
import { approximate, showAge } from "./text.js";
import { VerifiedTip } from "./verified_tip.js";

/** A tip older than this is suspicious: somebody may be keeping newer blocks back. */
const OLD_MS = 3_600_000;
/** More nodes than anybody names. */
const MAX_NODES = 16;

/**
 * What stands behind an answer.
 * @typedef {object} Report
 * @property {string} node whose chain is believed
 * @property {string} genesisId @property {string} prefix of addresses
 * @property {string} tip @property {number} height @property {number} time @property {bigint} work
 * @property {number} samples 0 when every header was checked
 * @property {number} bytes fetched so far, from all nodes
 * @property {{node: string, claim: string}[]} liars
 * @property {string[]} warnings
 */

/** The nodes' chains, the one with the most work first, and what is known against those who lied. */
export class Verifier {
  #running = null;

  /**
   * @param {object} network
   * @param {string[]} urls
   * @param {{fetch: typeof fetch, now: () => number, random: () => Uint8Array, store: import("./store.js").Store,
   *   patience?: number}} environment
   */
  constructor(network, urls, environment) {
    this.network = network;
    this.environment = environment;
    this.nodes = [...new Set(urls)].slice(0, MAX_NODES).map((url) => new Node(url, environment));
    this.candidates = [];
    this.liars = new Map();
    /** Those of them whose tip is from the future by this clock. */
    this.early = new Set();
    this.silent = new Map();
    this.seen = null;
    this.read = false;
  }

  /** @returns {VerifiedTip} the tip that is believed */
  get best() {
    if (!this.candidates.length) throw this.#nobody();
    return this.candidates[0].tip;
  }

  /**
   * Has every node prove its tip. Whoever asks while that is under way waits for the same answer, so that no older
   * answer ever takes the place of a newer one.
   * @returns {Promise<Report>}
   */
  refresh() {
    this.#running ??= this.#refresh().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Waits until no proof is under way. */
  async idle() {
    await this.#running?.catch(() => undefined);
  }

  async #refresh() {
    if (!this.read) {
      const kept = await this.environment.store.get(this.network.genesisId);
      this.seen = VerifiedTip.restore(this.network, kept);
      this.read = true;
    }
    this.silent.clear();
    // A block from the future is of the present soon.
    this.early.forEach((url) => this.liars.delete(url));
    this.early.clear();
    const asked = await this.#askAll();
    const proven = asked.filter((candidate) => candidate.tip !== null);
    this.#checkClock(asked);
    // The sort is stable: the first of equals stays first.
    this.candidates = proven.sort((a, b) => (a.tip.work < b.tip.work ? 1 : a.tip.work > b.tip.work ? -1 : 0));
    const best = this.best;
    if (!this.seen || this.seen.work < best.work) {
      this.seen = best;
      await this.environment.store.put(this.network.genesisId, best.keep());
    }
    return this.report();
  }

  /**
   * Asks all nodes at once. Those that are at it some seconds after the first has proven its tip come too late, and so
   * do those that answer each question just in time and never come to an end.
   */
  async #askAll() {
    const done = [];
    const asked = this.nodes.filter((node) => !this.liars.has(node.url));
    const { patience = PATIENCE_MS } = this.environment;
    const timers = [];
    let hurry;
    const late = new Promise((resolve) => {
      timers.push(setTimeout(resolve, 2 * patience));
      hurry = () => timers.push(setTimeout(resolve, patience / 3));
    });
    const all = asked.map(async (node) => {
      const candidate = await this.#ask(node);
      done.push(candidate);
      if (candidate.tip !== null) hurry();
    });
    await Promise.race([Promise.all(all), late]);
    timers.forEach(clearTimeout);
    const came = new Set(done.map((candidate) => candidate.url));
    asked.filter(({ url }) => !came.has(url)).forEach(({ url }) => this.silent.set(url, "it takes too long"));
    // In the order in which they were named, which decides between equals.
    return asked.flatMap(({ url }) => done.filter((candidate) => candidate.url === url));
  }

  async #ask(node) {
    const candidate = new Candidate(this.network, node, this.environment);
    try {
      return await candidate.prove(this.seen);
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      if (error.kind === "failure") this.silent.set(node.url, error.message);
      else this.#name(node.url, error);
      if (error.kind === "early") this.early.add(node.url);
      return candidate;
    }
  }

  #name(url, error) {
    this.liars.set(url, error.message);
  }

  /** Blocks from the future, and the nodes' clocks say that it is the present: then it is this clock that is wrong. */
  #checkClock(asked) {
    const offset = this.#clockOffset(asked);
    if (offset > 0 && 2 * this.early.size > asked.filter((candidate) => candidate.clock !== null).length) {
      this.early.forEach((url) => this.liars.delete(url));
      const behind = `this computer's clock is ${Math.round(offset / 1000)} s behind that of the nodes`;
      throw failure(`${behind} (${asked.length} asked): set it right, and try again`, "clock");
    }
    this.ahead = offset < 0 ? -offset : 0;
  }

  /** The median of how far the nodes' clocks are ahead; 0 where that is no more than blocks may be. */
  #clockOffset(asked) {
    const clocks = asked
      .map((candidate) => candidate.clock)
      .filter((clock) => clock !== null)
      .sort((a, b) => a - b);
    const median = clocks[Math.floor(clocks.length / 2)] ?? 0;
    return Math.abs(median) > Number(this.network.maxFutureMs) ? median : 0;
  }

  #nobody() {
    const liars = [...this.liars].map(([url, claim]) => `the node at ${url} lies: ${claim}`);
    const silent = [...this.silent].map(([url, why]) => `the node at ${url} was of no help: ${why}`);
    const error = failure([...liars, ...silent].join("; ") || "no node was asked", liars.length ? "lies" : "silent");
    error.liars = [...this.liars].map(([node, claim]) => ({ node, claim }));
    return error;
  }

  /** @returns {Report} */
  report() {
    const { tip, work, height, id, samples } = this.best;
    return {
      node: this.candidates[0].url,
      genesisId: this.network.genesisId,
      prefix: this.network.prefix,
      tip: id,
      height,
      time: tip.time,
      work,
      samples,
      bytes: this.nodes.reduce((sum, node) => sum + node.bytes, 0),
      liars: [...this.liars].map(([node, claim]) => ({ node, claim })),
      warnings: this.#warnings(),
    };
  }

  #warnings() {
    const [best, now] = [this.best, this.environment.now()];
    const age = now - best.tip.time;
    const slowed = best.slowed(now);
    const warnings = [];
    if (age > OLD_MS)
      warnings.push(`the newest block is ${showAge(age)} old; newer ones may be withheld, or nobody mines`);
    else if (slowed)
      warnings.push(
        `the last hour has ${Math.round(slowed)} times less work than an hour of the last day ` +
          "had: blocks may be withheld, or miners have left; ask several nodes",
      );
    if (this.seen && this.seen.work > best.work)
      warnings.push(
        `this chain has ${approximate(best.work)} hashes of work, ` +
          `and this browser has seen one with ${approximate(this.seen.work)}: the node is behind, or keeps blocks back`,
      );
    if (this.ahead)
      warnings.push(
        `this computer's clock is ${Math.round(this.ahead / 1000)} s ahead of the nodes': one of ` +
          "the two is wrong, and with it the ages of blocks that are shown",
      );
    for (const { url, tip } of this.candidates.slice(1).filter((other) => other.tip.work < best.work)) {
      warnings.push(`the node at ${url} is behind: it proves block ${tip.height} and less work`);
    }
    for (const [url, why] of this.silent) warnings.push(`the node at ${url} was of no help: ${why}`);
    return warnings;
  }

  /** Asks candidates, best first, until one proves something; those who lie are named and not asked again. */
  async #firstProof(ask) {
    let failed = null;
    for (const candidate of [...this.candidates]) {
      try {
        const proven = await ask(candidate);
        if (proven !== null) return { ...proven, node: candidate.url, under: candidate.tip };
      } catch (error) {
        if (!(error instanceof ProofError)) throw error;
        if (error.kind === "failure") failed ??= error;
        else {
          this.#name(candidate.url, error);
          this.candidates = this.candidates.filter((other) => other !== candidate);
        }
      }
    }
    if (!this.candidates.length) throw this.#nobody();
    if (failed) throw failed;
    return null;
  }

  /** Whether what a node proves under its tip is proven on the chain that is believed. */
  #isBelow({ tip }) {
    const header = this.best.headerAt(tip.height);
    return header !== undefined && equal(header.id, tip.tip.id);
  }

  /**
   * What an address has.
   * @param {string} text an address, or 64 hex digits
   * @param {number|null} [height] at which a page says it
   */
  async account(text, height = null) {
    const address = anyAddress(text, this.network.prefix);
    const shown = showAddress(this.network.prefix, address);
    return this.#firstProof((candidate) => candidate.account(address, shown, height));
  }

  /**
   * Where a payment is; null where no node has it on the chain that is believed.
   * @param {string} txid in hex
   * @param {{url: string, height: number}|null} [claim] where the page of which node says that it is
   */
  async payment(txid, claim = null) {
    return this.#firstProof(async (candidate) => {
      if (!this.#isBelow(candidate)) return null;
      const mined = await candidate.payment(txid, claim?.url === candidate.url ? claim.height : null);
      if (mined === null) return null;
      const confirmations = this.best.height - mined.place.header.height + 1;
      return { ...mined, place: { ...mined.place, confirmations } };
    });
  }

  /**
   * A block of the chain that is believed; null where no node has it there.
   * @param {string} id in hex
   * @param {boolean} [whole] whether its transactions are wanted, too
   */
  async block(id, whole = false) {
    return this.#firstProof((candidate) => (this.#isBelow(candidate) ? candidate.block(id, whole) : null));
  }
}
