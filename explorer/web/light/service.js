// What a page asks of the light client: to open a network, and to check the figures that stand beside an id. Runs in
// a worker; all that it takes and gives is plain data.

import { anyAddress } from "./address.js";
import { fromHex, toHex } from "./bytes.js";
import { ProofError, failure } from "./errors.js";
import { BODY_FACTS, accountFacts, bodyFacts, compareClaims, headerFacts, paymentFacts } from "./facts.js";
import { HEADER_BYTES } from "./header.js";
import { findNetwork } from "./networks.js";
import { Node, SMALL } from "./rpc.js";
import { field } from "./shapes.js";
import { approximate, showAmount } from "./text.js";
import { Verifier } from "./verifier.js";

const ID = /^[0-9a-f]{64}$/;
/** Tips are not proven anew for the sake of a question more often than this. */
const REFRESH_MS = 1_000;
/** Codes of refusals: block_not_found and state_not_kept (docs/rpc.md). */
const MOVED_ON = [2001, 2003];

/**
 * @typedef {object} Question
 * @property {"tip"|"account"|"payment"|"block"} kind
 * @property {string} id an address, a transaction's or a block's id; empty for the tip
 * @property {[string, string, string?][]} claims the figures that the page shows: name, exact value, and text
 * @property {{height: number|null, tip: string|null}} page the block at which the page was made
 *
 * @typedef {object} Verdict
 * @property {"proven"|"lied"|"failed"} state
 * @property {string} text
 */

const failed = (reason) => ({ state: "failed", text: `not proven: ${reason}` });
const lied = (reason) => ({ state: "lied", text: `the node lied: ${reason}` });

/** The light client behind one page. */
export class Service {
  /**
   * @param {{fetch: typeof fetch, now: () => number, random: () => Uint8Array, store: import("./store.js").Store,
   *   origin: string, patience?: number}} environment `origin` is the URL of the node that serves the page
   */
  constructor(environment) {
    this.environment = environment;
    this.verifier = null;
    /** When tips were last proven for the sake of a question, and the proof of them that has not begun yet. */
    this.refreshed = -REFRESH_MS;
    this.next = null;
    /** Why there is no verifier. */
    this.reason = failure("no network is open");
  }

  /**
   * Begins with a network, and proves the nodes' tips.
   * @param {string} genesisId that the visitor trusts
   * @param {string[]} urls of other nodes
   * @returns {Promise<import("./verifier.js").Report>}
   */
  async open(genesisId, urls) {
    try {
      this.verifier = await this.#verifier(genesisId, urls);
    } catch (error) {
      [this.verifier, this.reason] = [null, error];
      throw error;
    }
    return this.verifier.refresh();
  }

  async #verifier(genesisId, urls) {
    if (!ID.test(genesisId)) throw failure("the genesis id is no id: expected 64 hex digits", "genesis");
    const own = new Node(this.environment.origin, this.environment);
    const network = await findNetwork(genesisId, {
      describe: () => own.file("/web/network.json"),
      block0: async () => {
        const answer = await own.call("chain_getHeader", [0], SMALL);
        return fromHex(field(answer, "raw", "string"), "header", HEADER_BYTES);
      },
    });
    return new Verifier(network, [this.environment.origin, ...urls], this.environment);
  }

  /** Proves the tips anew. @returns {Promise<import("./verifier.js").Report>} */
  refresh() {
    return this.#opened().refresh();
  }

  /** @returns {import("./verifier.js").Report} */
  report() {
    return this.#opened().report();
  }

  #opened() {
    if (!this.verifier) throw this.reason;
    return this.verifier;
  }

  /**
   * Checks what a page shows.
   * @param {Question} question
   * @returns {Promise<Verdict>}
   */
  async check(question) {
    try {
      const verifier = this.#opened();
      // A page that was made a moment ago may show a block that came after the tip was proven.
      if (question.page.height > verifier.best.height) await this.#refreshSoon();
      const verdict = await this.#judge(question).catch((error) => this.#again(question, error));
      return verdict.state === "failed" ? this.#blame(verdict) : verdict;
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      return this.#blame(failed(error.message));
    }
  }

  /**
   * A proof of the tips that begins after now, and not too soon after the last: pages may ask for it with every figure.
   * Whoever asks before it has begun waits for the same one.
   */
  #refreshSoon() {
    this.next ??= this.#refreshLater();
    return this.next;
  }

  async #refreshLater() {
    const verifier = this.#opened();
    await verifier.idle();
    const wait = this.refreshed + REFRESH_MS - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    [this.next, this.refreshed] = [null, performance.now()];
    return verifier.refresh();
  }

  /** A node that knows the proven tip no longer, or no state so far below its own, has moved on: once more. */
  async #again(question, error) {
    if (!MOVED_ON.includes(error.code)) throw error;
    await this.#refreshSoon();
    return this.#judge(question);
  }

  /** Where nothing was proven because the page's own node lied, that is what is said. */
  #blame(verdict) {
    const claim = this.verifier?.liars.get(this.environment.origin);
    return claim ? lied(claim) : verdict;
  }

  /** Whether blocks were replaced since the page was made: then what it shows was of another chain. */
  #isReplaced({ height, tip }) {
    const header = height === null || tip === null ? undefined : this.verifier.best.headerAt(height);
    return header !== undefined && toHex(header.id) !== tip;
  }

  async #judge(question) {
    const judges = { tip: this.#tip, account: this.#account, payment: this.#payment, block: this.#block };
    if (!Object.hasOwn(judges, question.kind)) return failed("this page does not know how to prove that");
    if (this.#isReplaced(question.page))
      return failed("blocks were replaced since this page was made: load it again");
    return judges[question.kind].call(this, question);
  }

  /** The verdict on figures of which these facts were proven. */
  #compare(facts, { claims }, work, notes = []) {
    const { wrong, unproven, proven } = compareClaims(facts, claims, this.verifier.network.prefix);
    if (wrong.length) return lied(wrong.join("; "));
    if (claims.length && !proven) return failed(`nothing proves ${unproven.join(", ")}`);
    const rest = unproven.length ? [`not proven: ${unproven.join(", ")}`] : [];
    return { state: "proven", text: [`proven by ${approximate(work)} hashes of work`, ...notes, ...rest].join("; ") };
  }

  #tip(question) {
    const { best } = this.verifier;
    const height = question.page.height ?? best.height;
    if (height > best.height) return this.#above(height);
    const header = best.headerAt(height);
    if (!header) return failed(`this page is older than the last ${best.headers.length} blocks: load it again`);
    const work = best.work - best.workAbove(height);
    const newer = best.height - height;
    const notes = newer > 0 ? [`there ${newer === 1 ? "is 1 newer block" : `are ${newer} newer blocks`} by now`] : [];
    return this.#compare({ ...headerFacts(header), work: `${work}` }, question, best.work, notes);
  }

  /** A page that shows a block above its own node's proven tip lies; where that node proves nothing, nobody knows. */
  #above(height) {
    const own = this.verifier.candidates.find(({ url }) => url === this.environment.origin);
    if (!own || own.tip.height >= height) return failed(`block ${height} is not on the chain that is proven`);
    return lied(`it shows block ${height}, and the chain that it proves ends at block ${own.tip.height}`);
  }

  async #account(question) {
    const proven = await this.verifier.account(question.id, question.page.height);
    const { at, buried, settled, newest, named, under } = proven;
    const account = named ? named.account : newest;
    const { height } = question.page;
    if (!named && height !== null && height !== under.height) {
      return failed(`block ${height}, of which this page is, is too far from the tip to be proven: load it again`);
    }
    const address = toHex(anyAddress(question.id, this.verifier.network.prefix));
    const facts = { address, ...accountFacts(account, named ? height : under.height) };
    return this.#compare(facts, question, under.work, accountNotes({ at, buried, settled, account }));
  }

  async #payment(question) {
    if (!ID.test(question.id)) return failed("the payment's id is no id");
    const height = claimedHeight(question);
    const claim = height === null ? null : { url: this.environment.origin, height };
    const mined = await this.verifier.payment(question.id, claim);
    if (mined === null) {
      return failed(
        height === null
          ? "it is in no block yet; what waits in a pool nothing can prove"
          : `no node that was asked proves that it is in block ${height}`,
      );
    }
    const facts = paymentFacts(mined.transaction, mined.place, question.page.height);
    return this.#compare(facts, question, this.verifier.best.work);
  }

  async #block(question) {
    if (!ID.test(question.id)) return failed("the block's id is no id");
    const { best, network } = this.verifier;
    const whole = question.claims.some(([name]) => BODY_FACTS.test(name));
    const recent = whole ? undefined : best.headerAt(claimedHeight(question) ?? -1);
    const found =
      recent && toHex(recent.id) === question.id
        ? { header: recent, body: null }
        : await this.verifier.block(question.id, whole);
    if (found === null) return failed("no node that was asked has it on the chain that is proven");
    const { header, body } = found;
    const confirmations = (question.page.height ?? best.height) - header.height + 1;
    const facts = {
      ...headerFacts(header),
      ...(body ? bodyFacts(network, body) : {}),
      confirmations: `${confirmations}`,
    };
    return this.#compare(facts, question, best.work);
  }
}

/** The height that a page names. */
function claimedHeight({ claims }) {
  const claim = claims.find(([name, value]) => name === "height" && /^[0-9]{1,15}$/.test(value));
  return claim ? Number(claim[1]) : null;
}

/** What has to be said beside an account: how sure it is. */
function accountNotes({ at, buried, settled, account }) {
  const had = settled?.balance ?? 0n;
  if (!buried) return [`little work lies above block ${at.height}: one miner could have made it up`];
  if (had === (account?.balance ?? 0n)) return [];
  return [`the last blocks may still be replaced: it had ${showAmount(had)} CRN at block ${at.height}`];
}
