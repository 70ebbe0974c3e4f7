// A chain that is really mined, on a network on which that is easy, and the proofs that an honest node makes of it.

import { stateRoot } from "../../light/accounts.js";
import { compare, concat, equal, toHex, u32, u64, utf8 } from "../../light/bytes.js";
import { headerId, readHeader } from "../../light/header.js";
import { History, leafOf, merge } from "../../light/history.js";
import { nodeHash, siblingSides, split, txsRoot } from "../../light/merkle.js";
import { makeNetwork } from "../../light/network.js";
import { TAIL, offsets, sampleSeed } from "../../light/samples.js";
import { sha256, tagged } from "../../light/sha256.js";
import { decodeTarget, nextTarget, workOf } from "../../light/targets.js";
import { bigEndian } from "../../light/bytes.js";
import { decodeTransaction } from "../../light/transaction.js";
import { key } from "./keys.mjs";

const ZERO = new Uint8Array(32);
const sighash = tagged("cairn/tx");

/** An easy network whose key 1 owns money, which began at `genesisTime`. */
export function easyNetwork(genesisTime = 1_700_000_000_000, change = {}) {
  return makeNetwork({
    name: "easy",
    prefix: "ecrn",
    intervalMs: 2000n,
    halfLifeMs: 20_000n,
    maxFutureMs: 5000n,
    maxBlockBytes: 1_048_576n,
    maxNewAccounts: 1024n,
    accountPrice: 1000n,
    subsidy: 5_000_000_000n,
    halving: 100n,
    genesisTime: BigInt(genesisTime),
    powLimit: 0x207fffff,
    genesisTarget: 0x207fffff,
    allocations: [{ address: key(1).address, amount: 1_000_000_000_000n }],
    ...change,
  });
}

/** A signed transaction. */
export function payment(
  network,
  from,
  { nonce, outputs, fee = 10n, maxPrice = 100_000n, validUntil = 0n, memo = "" },
) {
  const text = typeof memo === "string" ? utf8(memo) : memo;
  const paid = outputs.map(({ to, amount }) => concat(to, u64(amount)));
  const body = concat(
    Uint8Array.of(1),
    from.address,
    u64(nonce),
    u64(fee),
    u64(maxPrice),
    u64(validUntil),
    u64(outputs.length),
    ...paid,
    u64(text.length),
    text,
  );
  return decodeTransaction(concat(body, from.sign(sighash(network.genesis.id, body))));
}

/** Everything of a header but its nonce, and the least nonce that does. */
export function mineHeader(fields) {
  const { version = 1, height, parent, time, target, beneficiary, txs, state, history } = fields;
  const raw = concat(
    u32(version).subarray(0, 2),
    u64(height),
    parent,
    u64(time),
    u32(target),
    beneficiary,
    txs,
    state,
    history,
    u64(0),
  );
  const limit = decodeTarget(target);
  for (let nonce = 0; ; nonce += 1) {
    raw.set(u64(nonce), 182);
    if (fields.work === false || bigEndian(headerId(raw)) <= limit) return readHeader(raw);
  }
}

/** Accounts in order of creation. */
export class State {
  constructor(accounts) {
    this.accounts = accounts;
  }

  static genesis(network) {
    const held = network.params.allocations.map(({ address, amount }) => ({ address, balance: amount, nonce: 0n }));
    return new State([{ address: ZERO, balance: 0n, nonce: 0n }, ...held]);
  }

  clone() {
    return new State(this.accounts.map((account) => ({ ...account })));
  }

  find(address) {
    return this.accounts.find((account) => equal(account.address, address));
  }

  /** Credits an address; what its account costs is returned. */
  credit(address, amount, price) {
    const account = this.find(address);
    if (account) account.balance += amount;
    else this.accounts.push({ address, balance: amount, nonce: 0n });
    return account ? 0n : price;
  }

  leaves() {
    const sorted = this.accounts.map((account) => account.address).sort(compare);
    const next = (address) => sorted[sorted.findIndex((other) => equal(other, address)) + 1] ?? ZERO;
    return this.accounts.map(({ address, balance, nonce }) =>
      concat(address, next(address), u64(balance), u64(nonce)),
    );
  }

  root() {
    return stateRoot(this.leaves());
  }

  /** The proof of the leaf at a place. */
  leafProof(index) {
    const leaves = this.leaves();
    let level = leaves.map((leaf) => sha256(Uint8Array.of(0), leaf));
    const path = [];
    for (let [place, size] = [index, 2 ** Math.ceil(Math.log2(leaves.length))]; size > 1; place >>= 1, size /= 2) {
      path.push(level[place ^ 1] ?? ZERO);
      const pairs = Array.from({ length: size / 2 }, (_, i) =>
        nodeHash(level[2 * i] ?? ZERO, level[2 * i + 1] ?? ZERO),
      );
      level = pairs;
    }
    return concat(u64(leaves.length), u64(index), leaves[index], u64(path.length), ...path);
  }

  /** The proof of an address, or of its absence. */
  proof(address) {
    const own = this.accounts.findIndex((account) => equal(account.address, address));
    if (own >= 0) return this.leafProof(own);
    const below = this.accounts
      .map((account) => account.address)
      .filter((other) => compare(other, address) < 0)
      .sort(compare)
      .pop();
    return this.leafProof(this.accounts.findIndex((account) => equal(account.address, below)));
  }
}

/** A chain with its states, bodies and all nodes of its history. */
export class Chain {
  constructor(network, { beneficiary = key(9).address, frozen = false } = {}) {
    this.network = network;
    this.beneficiary = beneficiary;
    /** Headers alone: every block has block 0's state. */
    this.frozen = frozen;
    this.headers = [network.genesis];
    this.bodies = [[]];
    this.states = [State.genesis(network)];
    this.history = new History();
    this.leaves = [];
    this.trees = new Map();
    this.#append(network.genesisLeaf);
  }

  clone() {
    const copy = new Chain(this.network, this);
    for (const name of ["headers", "bodies", "states", "leaves"]) copy[name] = [...this[name]];
    copy.trees = new Map(this.trees);
    copy.history = this.history.clone();
    return copy;
  }

  get tip() {
    return this.headers[this.headers.length - 1];
  }

  get height() {
    return this.headers.length - 1;
  }

  get work() {
    return this.history.work;
  }

  #append(leaf) {
    this.leaves.push(leaf);
    this.history.append(leaf);
  }

  /** The complete tree of `size` blocks from `from` on. */
  tree(from, size) {
    if (size === 1) return this.leaves[from];
    const name = `${from} ${size}`;
    if (!this.trees.has(name)) {
      this.trees.set(name, merge(this.tree(from, size / 2), this.tree(from + size / 2, size / 2)));
    }
    return this.trees.get(name);
  }

  /** The node over the blocks `from` to `to - 1`. */
  node(from, to) {
    const size = to - from;
    if ((size & (size - 1)) === 0 && from % size === 0) return this.tree(from, size);
    const middle = from + split(size);
    return merge(this.node(from, middle), this.node(middle, to));
  }

  #execute(transactions, height) {
    if (this.frozen) return this.states[0];
    const { accountPrice, subsidy, halving } = this.network;
    const state = this.states[this.height].clone();
    let reward = subsidy >> (BigInt(height) / halving);
    for (const { sender, fee, outputs } of transactions) {
      const payer = state.find(sender);
      payer.nonce += 1n;
      payer.balance -= fee;
      reward += fee;
      for (const { to, amount } of outputs) payer.balance -= amount + state.credit(to, amount, accountPrice);
    }
    state.credit(this.beneficiary, state.find(this.beneficiary) ? reward : reward - accountPrice, 0n);
    return state;
  }

  /** Mines a block; `change` alters the header's fields before that. */
  mine(transactions = [], gap = 2000, change = {}) {
    const { tip, network } = this;
    const height = tip.height + 1;
    const state = this.#execute(transactions, height);
    const fields = {
      height,
      parent: tip.id,
      time: tip.time + gap,
      target: this.history.last.nextTarget,
      beneficiary: this.beneficiary,
      txs: txsRoot(transactions.map((each) => each.id)),
      state: state.root(),
      history: this.history.root(),
    };
    const header = mineHeader({ ...fields, ...change });
    const next = nextTarget(network, height, header.target, tip.time, header.time);
    this.headers.push(header);
    this.bodies.push(transactions);
    this.states.push(state);
    this.#append({ ...leafOf(header, workOf(header.target), next), ...(change.leaf ?? {}) });
    return header;
  }

  grow(blocks, gap = 2000) {
    for (let i = 0; i < blocks; i += 1) this.mine([], gap);
    return this;
  }

  /** A payment of key 1 that fits the tip. */
  pay(to, amount, more = {}) {
    const nonce = this.states[this.height].find(key(1).address).nonce;
    return payment(this.network, key(1), { nonce, outputs: [{ to, amount: BigInt(amount) }], ...more });
  }

  rawBlock(height) {
    const body = this.bodies[height];
    return concat(this.headers[height].raw, u64(body.length), ...body.map((each) => each.raw));
  }

  /** The light proof of this tip. */
  lightProof(random, samples = 56) {
    const start = Math.max(0, this.height - TAIL);
    const before = start > 0 ? this.node(0, start).work : 0n;
    const seed = sampleSeed(this.tip.id, random);
    const opened = new Set([start - 1, start - 2]);
    for (const offset of start > 0 ? offsets(seed, this.work, before, samples) : []) {
      const height = this.#blockAt(offset);
      [height, height - 1, height - 2].forEach((each) => opened.add(each));
    }
    return this.assemble(
      start,
      [...opened].filter((height) => height > 0).sort((a, b) => a - b),
    );
  }

  #blockAt(offset) {
    this.ends ??= [];
    for (let height = this.ends.length; height < this.leaves.length; height += 1) {
      this.ends.push((this.ends[height - 1] ?? 0n) + this.leaves[height].work);
    }
    let [low, high] = [0, this.ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The bytes of a proof that opens these blocks. */
  assemble(start, opened, change = (parts) => parts) {
    const nodes = [];
    let at = 1;
    const gap = (to) => {
      while (at < to) {
        let size = 1;
        while (at % (2 * size) === 0 && at + 2 * size <= to) size *= 2;
        nodes.push(this.tree(at, size).raw);
        at += size;
      }
    };
    for (const height of opened) {
      gap(height);
      at = height + 1;
    }
    gap(start);
    const headers = (list) => list.map((header) => header.raw);
    const parts = {
      tail: headers(this.headers.slice(start)),
      opened: headers(opened.map((height) => this.headers[height])),
      nodes,
    };
    return encodeProof(change(parts));
  }

  /** `0x00`, or a block's place in the history of this tip. */
  place(height) {
    if (height === this.height) return Uint8Array.of(0);
    const sides = siblingSides(height, this.height);
    const siblings = [];
    let [from, to] = [0, this.height];
    for (const isLeft of [...sides].reverse()) {
      const middle = from + split(to - from);
      siblings.push(isLeft ? this.node(from, middle) : this.node(middle, to));
      [from, to] = isLeft ? [middle, to] : [from, middle];
    }
    siblings.reverse();
    const raw = siblings.map((node) => node.raw);
    return concat(Uint8Array.of(1), u32(this.leaves[height].nextTarget), u64(raw.length), ...raw);
  }

  /** The proof of a payment under this tip; null where it is in no block. */
  transactionProof(txid) {
    const height = this.bodies.findIndex((body) => body.some((each) => toHex(each.id) === txid));
    return height < 0
      ? null
      : this.paymentProof(
          height,
          this.bodies[height].findIndex((each) => toHex(each.id) === txid),
        );
  }

  paymentProof(height, index) {
    const body = this.bodies[height];
    const path = [];
    let [from, to] = [0, body.length];
    const root = (a, b) => txsRoot(body.slice(a, b).map((each) => each.id));
    for (const isLeft of siblingSides(index, body.length).reverse()) {
      const middle = from + split(to - from);
      path.push(isLeft ? root(from, middle) : root(middle, to));
      [from, to] = isLeft ? [middle, to] : [from, middle];
    }
    path.reverse();
    return concat(
      this.headers[height].raw,
      body[index].raw,
      u64(body.length),
      u64(index),
      u64(path.length),
      ...path,
      this.place(height),
    );
  }

  /** A receipt's bytes. */
  receipt(txid) {
    return concat(this.tip.id, this.lightProof(ZERO, 96), this.transactionProof(txid));
  }

  /** A receipt's file. */
  receiptFile(txid, change = {}) {
    const height = this.bodies.findIndex((body) => body.some((each) => toHex(each.id) === txid));
    const { genesisId, name: chain } = this.network;
    const raw = toHex(this.receipt(txid));
    return JSON.stringify({ cairn_receipt: 1, chain, genesis_id: genesisId, txid, height, raw, ...change });
  }
}

/** @param {{tail: Uint8Array[], opened: Uint8Array[], nodes: Uint8Array[]}} parts */
export function encodeProof({ tail, opened, nodes }) {
  return concat(u64(tail.length), ...tail, u64(opened.length), ...opened, u64(nodes.length), ...nodes);
}
