// One node, and what it proves: its tip, accounts, payments and blocks of the chain below it.

import { aimedRandom } from "./aim.js";
import { checkAccount } from "./accounts.js";
import { checkBlock } from "./block.js";
import { equal, fromHex, toHex } from "./bytes.js";
import { ProofError, demand, failure } from "./errors.js";
import { HEADER_BYTES, checkVersion, readHeader } from "./header.js";
import { MAX_PROOF_BYTES, checkLightProof, decodeLightProof } from "./light_proof.js";
import { Refusal, SMALL } from "./rpc.js";
import { SAMPLES } from "./samples.js";
import { field, optionalText } from "./shapes.js";
import { MAX_TRANSACTION_PROOF_BYTES, checkTransactionProof, decodeTransactionProof } from "./transaction_proof.js";
import { BURIAL } from "./verified_tip.js";

/** Codes of refusals (docs/rpc.md). */
const BLOCK_NOT_FOUND = 2001;
const TRANSACTION_NOT_FOUND = 2002;
const STATE_NOT_KEPT = 2003;
/** Attempts a node has to prove its tip: the chain may move in between, not so often that it could choose samples. */
const ATTEMPTS = 3;
/** The largest block that a network may have. */
const MAX_BLOCK = 3 << 20;
const WORK = /^[0-9]{1,78}$/;

const inHex = (bytes) => 2 * bytes + SMALL;
const isCode = (error, code) => error instanceof Refusal && error.code === code;

/** The header in an answer. */
const headerIn = (answer) => readHeader(fromHex(field(answer, "raw", "string"), "header", HEADER_BYTES));

/** The work that an answer claims. */
function claimedWork(answer) {
  const text = field(answer, "work", "string");
  if (!WORK.test(text)) throw failure("the work in the answer is no number");
  return BigInt(text);
}

/** A node that proved its tip. */
export class Candidate {
  /**
   * @param {object} network
   * @param {import("./rpc.js").Node} node
   * @param {{now: () => number, random: () => Uint8Array}} environment
   */
  constructor(network, node, environment) {
    this.network = network;
    this.node = node;
    this.environment = environment;
    this.tip = null;
    /** How far its clock is ahead of this one, in ms; null while it did not say. */
    this.clock = null;
  }

  /** @returns {string} */
  get url() {
    return this.node.url;
  }

  /** Asks what it is; one of another network proves nothing here, and does not lie. */
  async #introduce() {
    const info = await this.node.call("node_info", []);
    const genesis = field(info, "genesis_id", "string");
    if (genesis !== this.network.genesisId) {
      const got = /^[0-9a-f]{64}$/.test(genesis) ? genesis : "unknown";
      throw failure(`it follows the network ${got}, expected ${this.network.genesisId}`, "network");
    }
    this.clock = field(info, "time", "number") - this.environment.now();
  }

  /**
   * Has it prove its tip.
   * @param {import("./verified_tip.js").VerifiedTip|null} kept what this visitor has proven before
   */
  async prove(kept) {
    const ask = () => this.node.call("chain_tip", []);
    let [, claimed] = await Promise.all([this.#introduce(), ask()]);
    for (let attempt = 1; ; attempt += 1) {
      const header = headerIn(claimed);
      checkVersion(this.network, header);
      let proven;
      try {
        proven = await this.#proof(kept, header.id);
      } catch (error) {
        if (!isCode(error, BLOCK_NOT_FOUND)) throw error;
        // The chain moved between the two questions.
        if (attempt < ATTEMPTS) {
          claimed = await ask();
          continue;
        }
        throw new ProofError(`it names the tip ${toHex(header.id)} and will not prove it`);
      }
      const got = claimedWork(claimed);
      demand(got === proven.work, () => `it claims ${got} hashes of work, and proves ${proven.work}`);
      this.tip = proven;
      return this;
    }
  }

  async #proof(kept, tip) {
    if (kept && equal(kept.tip.id, tip)) return kept;
    const random = this.environment.random();
    const params = [toHex(tip), toHex(random), ...(kept ? [kept.id] : [])];
    const answer = await this.node.call("chain_getProof", params, inHex(MAX_PROOF_BYTES));
    const raw = fromHex(field(answer, "raw", "string"), "proof", 0, MAX_PROOF_BYTES);
    const since = optionalText(answer, "since");
    const now = this.environment.now();
    try {
      if (since === null)
        return checkLightProof(this.network, { tip, random, samples: SAMPLES }, decodeLightProof(raw), now);
      demand(since === kept?.id, () => "it continues from a tip that it was not asked about");
      return kept.extend(this.network, tip, raw, now);
    } catch (error) {
      if (error instanceof ProofError && error.kind !== "failure") {
        error.message = `it claims the tip ${toHex(tip)}, and its proof does not hold: ${error.message}`;
      }
      throw error;
    }
  }

  /** What it proves of an address after one block. */
  async #accountAt(address, shown, header) {
    const answer = await this.node.call("state_getProof", [shown, toHex(header.id)]);
    const raw = fromHex(field(answer, "raw", "string"), "account proof", 0, SMALL);
    try {
      return checkAccount(raw, address, header.stateRoot);
    } catch (error) {
      if (error instanceof ProofError) {
        error.message = `its proof of the account at block ${header.height} does not hold: ${error.message}`;
      }
      throw error;
    }
  }

  /**
   * What an address has: under the block that accounts are read from, at the tip, and at a height that a page names.
   * @param {Uint8Array} address
   * @param {string} shown the same as text
   * @param {number|null} height
   */
  async account(address, shown, height) {
    const { tip } = this.tip;
    let { header: at, buried } = this.tip.settled();
    const read = (header) => this.#accountAt(address, shown, header);
    let settled;
    try {
      settled = await read(at);
    } catch (error) {
      // Difficulty has fallen so far that the block with enough work above it is deeper than nodes keep states.
      if (!isCode(error, STATE_NOT_KEPT) || at.height === tip.height) throw error;
      [at, buried] = [this.tip.headerAt(tip.height - BURIAL) ?? tip, false];
      settled = await read(at);
    }
    const newest = at.height === tip.height ? settled : await read(tip);
    const named = height === null ? undefined : this.tip.headerAt(height);
    const states = [
      [at, settled],
      [tip, newest],
    ];
    const known = states.find(([header]) => header === named);
    const page = known ? known[1] : named && (await read(named).catch(onlyIf(STATE_NOT_KEPT)));
    return { at, buried, settled, newest, named: page === undefined ? null : { header: named, account: page } };
  }

  /**
   * Where a payment is; null where the node says that it is in no block of the chain it proved.
   * @param {string} txid in hex
   * @param {number|null} claimed the height at which a page of this node says that it is
   */
  async payment(txid, claimed) {
    let answer;
    try {
      answer = await this.node.call(
        "chain_getTransactionProof",
        [txid, this.tip.id],
        inHex(MAX_TRANSACTION_PROOF_BYTES),
      );
    } catch (error) {
      if (!isCode(error, TRANSACTION_NOT_FOUND)) throw error;
      const height = claimed ?? (await this.#saysMinedAt(txid));
      if (height !== null) await this.#checkFollows();
      // What was mined after the tip that was proven is not claimed about that tip.
      demand(height === null || height > this.tip.height, () => {
        return `it claims that the payment ${txid} is in block ${height}, and does not prove it`;
      });
      return null;
    }
    const raw = fromHex(field(answer, "raw", "string"), "proof of a payment", 0, MAX_TRANSACTION_PROOF_BYTES);
    const proof = decodeTransactionProof(raw);
    const got = toHex(proof.transaction.id);
    demand(got === txid, () => `it was asked about the payment ${txid}, and proves ${got}`);
    try {
      return { transaction: proof.transaction, place: checkTransactionProof(this.network, proof, this.tip), proof };
    } catch (error) {
      if (error instanceof ProofError) {
        const claim = `it claims that the payment ${txid} is in a block, and its proof does not hold`;
        error.message = `${claim}: ${error.message}`;
      }
      throw error;
    }
  }

  /** Whoever has left the tip that it proved has not lied about it: it has to prove its new one. */
  async #checkFollows() {
    const header = headerIn(await this.node.call("chain_getHeader", [this.tip.height]));
    if (!equal(header.id, this.tip.tip.id)) throw new Refusal("its blocks were replaced meanwhile", BLOCK_NOT_FOUND);
  }

  async #saysMinedAt(txid) {
    const status = await this.node.call("tx_status", [txid]);
    return field(status, "state", "string") === "mined" ? field(status, "height", "number") : null;
  }

  /**
   * A block's whole body.
   * @param {import("./header.js").Header} header proven, or about to be
   */
  async body(header) {
    const raw = await this.node.call("chain_getRawBlock", [toHex(header.id)], inHex(MAX_BLOCK + HEADER_BYTES));
    return checkBlock(fromHex(raw, "block", HEADER_BYTES, MAX_BLOCK + HEADER_BYTES), header);
  }

  /**
   * Finds a block on the proven chain; null where the node does not know it.
   * @param {string} id in hex
   * @param {boolean} whole whether its body is wanted, too
   */
  async block(id, whole) {
    const answer = await this.node.call("chain_getHeader", [id]).catch(onlyIf(BLOCK_NOT_FOUND));
    if (answer === undefined) return null;
    const header = headerIn(answer);
    demand(toHex(header.id) === id, () => `it was asked for the block ${id}, and gives ${toHex(header.id)}`);
    const recent = this.tip.headerAt(header.height);
    if (recent) {
      demand(equal(recent.id, header.id), () => `it claims that block ${header.height} is ${id}, and proves another`);
      return { header, body: whole ? await this.body(header) : null };
    }
    demand(header.height < this.tip.height, () => `it claims that ${id} is block ${header.height}, above its tip`);
    if (header.height === 0) {
      demand(equal(header.id, this.network.genesis.id), () => `it claims that block 0 is ${id}`);
      return { header, body: null };
    }
    const body = await this.body(header);
    if (body.transactions.length) await this.#placeByPayment(header, toHex(body.transactions[0].id));
    else await this.#placeBySample(header, claimedWork(answer));
    return { header, body };
  }

  /** A deep block is on the chain if one of its payments is. */
  async #placeByPayment(header, txid) {
    const mined = await this.payment(txid, header.height);
    demand(mined !== null && equal(mined.place.header.id, header.id), () => {
      return `it claims that ${toHex(header.id)} is block ${header.height}, and proves another`;
    });
  }

  /** A deep block without payments is on the chain if a light proof of the tip that was proven opens it. */
  async #placeBySample(header, work) {
    const random = aimedRandom(this.tip, header, work, this.environment.random);
    const answer = await this.node.call("chain_getProof", [this.tip.id, toHex(random)], inHex(MAX_PROOF_BYTES));
    const raw = fromHex(field(answer, "raw", "string"), "proof", 0, MAX_PROOF_BYTES);
    const proof = decodeLightProof(raw);
    checkLightProof(this.network, { tip: this.tip.tip.id, random, samples: SAMPLES }, proof, this.environment.now());
    demand(
      proof.opened.some((opened) => equal(opened.id, header.id)),
      () => {
        return `it claims that ${toHex(header.id)} is block ${header.height}, and proves another`;
      },
    );
  }
}

/** Turns a refusal with this code into `undefined`. */
function onlyIf(code) {
  return (error) => {
    if (isCode(error, code)) return undefined;
    throw error;
  };
}
