// The light client as somebody attacks it who would profit: accounts, payments, receipts, answers and pages,
// each beside the honest case that it resembles.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAccount, stateRoot } from "../light/accounts.js";
import { concat, equal, toHex, u64 } from "../light/bytes.js";
import { cautions, checkReceipt, decodeReceipt } from "../light/receipt.js";
import { memoryStore } from "../light/store.js";
import { memoText, inert } from "../light/text.js";
import { checkTransactionProof, decodeTransactionProof } from "../light/transaction_proof.js";
import { Chain, easyNetwork, payment } from "./support/chain.mjs";
import { key } from "./support/keys.mjs";
import { node, serviceOf, verifierOf, withRaw } from "./support/node.mjs";
import {
  GENESIS_TIME,
  OTHER,
  OWN,
  accountQuestion,
  pageOf,
  paymentQuestion,
  payee,
  scene,
  tipQuestion,
} from "./support/scene.mjs";
import { RANDOM, judge, refused } from "./support/judge.mjs";

test("attack: rules that this page does not know are no lie, and prove nothing", async () => {
  const made = scene();
  made.chain.mine([], 2000, { version: 777 });
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now) }, made);
  const { state, text } = await service.check(tipQuestion(made));
  assert.equal(state, "failed");
  assert.match(text, /version 777, expected 1: it was made under rules that this page does not know/);
  assert.equal(service.verifier.liars.size, 0);
});

test("attack: swapped accounts", () => {
  const { chain } = scene();
  const state = chain.states[30];
  const [mine, theirs] = [payee, key(9).address];
  const root = state.root();
  assert.equal(checkAccount(state.proof(mine), mine, root).balance, 1_300_000_000n);
  refused(() => checkAccount(state.proof(theirs), mine, root), /proves another account/);
  // The leaf of one at the place and with the path of another.
  const [a, b] = [state.proof(mine), state.proof(theirs)];
  refused(
    () => checkAccount(concat(b.subarray(0, 16), a.subarray(16, 96), b.subarray(96)), mine, root),
    /another state root/,
  );
  refused(() => checkAccount(state.proof(mine), new Uint8Array(32), root), /zero address/);
});

test("attack: proofs of accounts that do not fit their tree", () => {
  const { chain } = scene();
  const state = chain.states[30];
  const root = state.root();
  const proof = state.proof(payee);
  const at = (count, index, path) =>
    concat(u64(count), u64(index), proof.subarray(16, 96), u64(path.length / 32), path);
  const path = proof.subarray(104);
  const [count, index] = [state.accounts.length, state.accounts.findIndex(({ address }) => equal(address, payee))];
  assert.ok(checkAccount(at(count, index, path), payee, root));
  refused(() => checkAccount(at(count, count, path), payee, root), /got leaf \d+ of \d+ accounts/);
  refused(() => checkAccount(at(count, index, path.subarray(32)), payee, root), /siblings in a tree of/);
  refused(
    () => checkAccount(at(count, index, concat(path, path.subarray(0, 32))), payee, root),
    /siblings in a tree of/,
  );
  // Absence is shown by the leaf below, whose next address lies above; not by any other.
  const absent = new Uint8Array(32).fill(0x55);
  assert.equal(checkAccount(state.proof(absent), absent, root), null);
  const sentinel = state.leafProof(0);
  const highest = new Uint8Array(32).fill(0xfe);
  refused(() => checkAccount(sentinel, highest, root), /says nothing about this one/);
  refused(() => checkAccount(state.proof(highest), new Uint8Array(32).fill(1), root), /says nothing about this one/);
  // A balance that no account can have, under a root that somebody made up.
  const leaf = concat(payee, new Uint8Array(32), u64(2n ** 53n), u64(0));
  const whole = concat(u64(1), u64(0), leaf, u64(0));
  refused(() => checkAccount(whole, payee, stateRoot([leaf])), /expected at most 9007199254740991/);
});

test("attack: a payment in a block that it is not in", () => {
  const made = scene();
  const { network, chain } = made;
  const tip = judge(chain, chain.lightProof(RANDOM));
  const proof = chain.transactionProof(made.txid);
  const end = proof.subarray(190 + made.early.raw.length);
  const other = concat(proof.subarray(0, 190), made.late.raw, end);
  refused(
    () => checkTransactionProof(network, decodeTransactionProof(other), tip),
    /the transaction is not in the block/,
  );
  const place = concat(u64(1), u64(1), end.subarray(16));
  const moved = concat(proof.subarray(0, 190), made.early.raw, place);
  refused(() => checkTransactionProof(network, decodeTransactionProof(moved), tip), /got place 1 in a block of 1/);
});

test("attack: the proof of an account at another height", async () => {
  const made = scene();
  for (const height of [21, 27, 29]) {
    const raw = toHex(made.chain.states[height].proof(payee));
    const lies = { state_getProof: (answer) => ({ ...answer, raw }) };
    const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now, lies) }, made);
    const { state, text } = await service.check(accountQuestion(made));
    assert.equal(state, "lied", `${height}: ${text}`);
  }
});

test("attack: a balance that was true, on a page that says it is of another block", async () => {
  const made = scene();
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now) }, made);
  const page = { height: 25, tip: toHex(made.chain.headers[25].id) };
  assert.equal((await service.check({ ...accountQuestion(made), page })).state, "lied");
  const then = { ...accountQuestion(made, { balance: "1250000000" }), page };
  assert.equal((await service.check(then)).state, "proven");
  const gone = { ...then, page: { height: 25, tip: toHex(made.chain.headers[24].id) } };
  assert.match((await service.check(gone)).text, /not proven: blocks were replaced/);
});

test("attack: a state root that one miner made up", async () => {
  const made = scene();
  const forged = made.chain.states[30].clone();
  forged.find(payee).balance += 1_000_000_000n;
  made.chain.mine([], 2000, { state: forged.root() });
  made.chain.states[31] = forged;
  const now = () => made.now() + 10_000;
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, now) }, { now });
  const { text } = await service.check({
    ...accountQuestion(made, { balance: "2300000000" }),
    page: pageOf(made.chain),
  });
  // It costs one block's work; what lies below enough of it is said beside.
  assert.match(text, /the last blocks may still be replaced: it had 12.5 CRN at block 25/);
});

test("attack: replayed proofs of payments", () => {
  const made = scene();
  const { network, chain } = made;
  const tip = judge(chain, chain.lightProof(RANDOM));
  const proof = chain.transactionProof(made.txid);
  assert.equal(checkTransactionProof(network, decodeTransactionProof(proof), tip).confirmations, 9);
  // Under an earlier tip, at another place, as the tip itself, under another network.
  const earlier = chain.clone();
  earlier.headers.length = 28;
  const before = new Chain(network).grow(21);
  before.mine([made.early]);
  before.grow(5);
  refused(
    () => checkTransactionProof(network, decodeTransactionProof(before.transactionProof(made.txid)), tip),
    /got \d+ nodes|another history/,
  );
  const at = 190 + made.early.raw.length;
  const moved = concat(proof.subarray(0, at), u64(2), u64(1), proof.subarray(at + 16));
  refused(() => checkTransactionProof(network, decodeTransactionProof(moved), tip), /hashes for place/);
  const asTip = concat(proof.subarray(0, at + 24), Uint8Array.of(0));
  refused(() => checkTransactionProof(network, decodeTransactionProof(asTip), tip), /claims to be in the tip/);
  refused(
    () => checkTransactionProof(easyNetwork(GENESIS_TIME + 5), decodeTransactionProof(proof), tip),
    /signature/,
  );
});

test("attack: a payment that its sender never signed, in a block that was mined for it", () => {
  const { network } = scene();
  const chain = new Chain(network).grow(3);
  const forged = chain.pay(payee, 5n);
  const raw = forged.raw.slice();
  raw[raw.length - 1] ^= 1;
  const proofOf = (transaction) => {
    const branch = chain.clone();
    branch.mine([transaction]);
    branch.grow(1);
    const tip = judge(branch, branch.lightProof(RANDOM));
    return () => checkTransactionProof(network, decodeTransactionProof(branch.paymentProof(4, 0)), tip);
  };
  refused(proofOf({ ...forged, raw, id: decodeTransactionProofId(raw) }), /signature is not its sender's/);
  assert.equal(proofOf(forged)().confirmations, 2);
  const nothing = payment(network, key(1), { nonce: 0n, outputs: [{ to: payee, amount: 0n }] });
  refused(proofOf(nothing), /pays nothing to somebody/);
  const burnt = payment(network, key(1), { nonce: 0n, outputs: [{ to: new Uint8Array(32), amount: 1n }] });
  refused(proofOf(burnt), /pays the zero address/);
  const last = payment(network, key(1), { nonce: 2n ** 64n - 1n, outputs: [{ to: payee, amount: 1n }] });
  refused(
    () =>
      checkTransactionProof(
        network,
        { ...decodeTransactionProof(proofBytes(chain, last)) },
        judge(chain, chain.lightProof(RANDOM)),
      ),
    /nonce is the last/,
  );
});

const decodeTransactionProofId = (raw) =>
  decodeTransactionProof(concat(new Uint8Array(190), raw, u64(1), u64(0), u64(0), Uint8Array.of(0))).transaction.id;
const proofBytes = (chain, transaction) =>
  concat(chain.tip.raw, transaction.raw, u64(1), u64(0), u64(0), Uint8Array.of(0));

test("attack: a receipt under little work, with few samples, or of a chain that was made up", () => {
  const made = scene();
  const { network, chain } = made;
  const now = chain.tip.time;
  const mined = checkReceipt(network, decodeReceipt(chain.receipt(made.txid)), now);
  assert.equal(mined.place.workAbove, 16n);
  // A proof with the samples of a node's answer is too little for a receipt.
  const deep = new Chain(network);
  deep.mine([deep.pay(payee, 5n)]);
  deep.grow(700);
  const txid = toHex(deep.bodies[1][0].id);
  const thin = concat(deep.tip.id, deep.lightProof(new Uint8Array(32), 56), deep.transactionProof(txid));
  refused(() => checkReceipt(network, decodeReceipt(thin), deep.tip.time), /is not opened/);
  assert.equal(checkReceipt(network, decodeReceipt(deep.receipt(txid)), deep.tip.time).place.workAbove, 1400n);
});

test("what no receipt can know is said beside it", () => {
  const made = scene();
  const mined = (chain) => checkReceipt(made.network, decodeReceipt(chain.receipt(made.txid)), chain.tip.time);
  const { time } = made.chain.tip;
  const said = (chain, now) => cautions(made.network, mined(chain), now).join(" ");
  assert.match(said(made.chain, time + 86_400_001), /It is old/);
  assert.doesNotMatch(said(made.chain, time + 86_400_000), /It is old|No work lies above/);
  assert.match(said(made.chain, time), /^Compare the genesis id/);
  const young = new Chain(made.network).grow(21);
  young.mine([made.early]);
  assert.match(said(young, time), /No work lies above the payment yet/);
});

test("attack: a node that lies about its genesis id", async () => {
  const made = scene();
  const other = new Chain(easyNetwork(GENESIS_TIME + 1)).grow(40);
  const now = () => other.tip.time;
  const lies = { node_info: (answer) => ({ ...answer, genesis_id: made.network.genesisId }) };
  const liar = Object.assign(node(other, now, lies), { network: made.network });
  const nodes = { [OWN]: liar, [OTHER]: node(made.chain, made.now) };
  const service = await serviceOf(made.network, nodes, { now });
  assert.deepEqual([...service.verifier.liars.keys()], [OWN]);
  assert.match(service.verifier.liars.get(OWN), /block 0 is/);
  // One that says honestly that it is of another network is no liar, and proves nothing.
  const honestly = await serviceOf(
    made.network,
    { [OWN]: Object.assign(node(other, now), { network: made.network }) },
    { now },
  );
  const verdict = await honestly.check({ ...tipQuestion(made), page: { height: 40, tip: null } });
  assert.equal(verdict.state, "failed");
  assert.match(verdict.text, /follows the network/);
  // Parameters of another network are not taken for those of the trusted one.
  const wrong = await serviceOf(
    made.network,
    { [OWN]: Object.assign(node(other, now), { network: other.network }) },
    { now },
  );
  assert.match((await wrong.check(tipQuestion(made))).text, /does not know the rules of the network/);
});

test("attack: two tabs and two answers race, and less work never takes the place of more", async () => {
  const made = scene();
  const store = memoryStore();
  const short = new Chain(made.network).grow(10);
  const slow = (chain, ms) => async (method, params) => {
    await new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
    return node(chain, made.now)(method, params);
  };
  const tabs = [slow(made.chain, 1), slow(short, 20)].map((each) =>
    verifierOf(made.network, { [OWN]: each }, { ...made, store }),
  );
  await Promise.all(tabs.map((tab) => tab.refresh()));
  assert.equal((await store.get(made.network.genesisId)).work, "60");
  // A page that asks while the tip moves: the question waits for the tip under which it is answered.
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now) }, made);
  made.chain.grow(1);
  const [first, second] = await Promise.all([service.check(tipQuestion(made)), service.check(accountQuestion(made))]);
  assert.equal(first.state, "proven", first.text);
  assert.equal(second.state, "proven", second.text);
});

test("attack: markup, colours and reordered text in a memo and in what nodes say", async () => {
  const { network, chain } = scene();
  const evil = "<img src=x onerror=alert(1)>\u202egnp.exe\u001b[31m\u0000\u200b";
  const memo = payment(network, key(1), { nonce: 0n, outputs: [{ to: payee, amount: 1n }], memo: evil }).memo;
  const shown = memoText(memo);
  assert.equal(shown, "<img src=x onerror=alert(1)>\\u{202e}gnp.exe\\u{1b}[31m\\u{0}\\u{200b}");
  assert.equal(memoText(Uint8Array.of(0xff, 0xfe)), null);
  assert.ok(inert("x".repeat(1e6)).length < 600);
  const made = scene();
  const refusal = () => ({ error: { code: 6001, message: `${evil}${"y".repeat(1e4)}` } });
  const service = await serviceOf(network, { [OWN]: node(chain, made.now, { chain_tip: refusal }) }, made);
  const { text } = await service.check(tipQuestion(made));
  assert.doesNotMatch(text, /[\u0000-\u001f\u202e\u200b]/);
  assert.ok(text.length < 1000);
  const claims = [
    [evil, "1"],
    ["height", `${evil}`],
    ["__proto__", "1"],
    ["constructor", "x"],
  ];
  const page = { ...tipQuestion(made), claims };
  const both = await (await serviceOf(network, { [OWN]: node(chain, made.now) }, made)).check(page);
  assert.equal(both.state, "lied");
  assert.doesNotMatch(both.text, /[\u0000-\u001f\u202e\u200b]/);
});

test("attack: a figure that nothing proves is never called proven", async () => {
  const made = scene();
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now) }, made);
  const ask = (claims) => service.check({ ...tipQuestion(made), claims });
  assert.deepEqual(await ask([["weather", "fine"]]), { state: "failed", text: "not proven: nothing proves weather" });
  assert.equal(
    (
      await ask([
        ["height", "30"],
        ["weather", "fine"],
      ])
    ).text,
    "proven by 60 hashes of work; not proven: weather",
  );
  for (const kind of ["toString", "__proto__", "supply", ""]) {
    assert.equal((await service.check({ ...tipQuestion(made), kind })).state, "failed");
  }
});

test("attack: an endless answer, and one that drips", async () => {
  const made = scene();
  const endless = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 16)) }));
  const drip = () =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }));
  for (const [answer, reason] of [
    [endless, /more than 65536 bytes/],
    [drip, /no answer within 0.9 s/],
  ]) {
    const alone = verifierOf(made.network, { [OWN]: answer }, { ...made, patience: 900 });
    await assert.rejects(alone.refresh(), (error) => error.kind === "failure" && reason.test(error.message));
    const nodes = { [OWN]: node(made.chain, made.now), [OTHER]: answer };
    const report = await verifierOf(made.network, nodes, { ...made, patience: 900 }).refresh();
    assert.match(report.warnings.join(), /was of no help/);
    assert.ok(report.bytes < 100_000);
  }
});

test("attack: a payment on a branch with less work", async () => {
  const made = scene();
  const branch = new Chain(made.network).grow(10);
  const paid = branch.pay(payee, 77n);
  branch.mine([paid], 2001);
  branch.grow(3);
  const ask = async (nodes) => {
    const service = await serviceOf(made.network, nodes, made);
    return service.check({ kind: "payment", id: toHex(paid.id), claims: [], page: { height: null, tip: null } });
  };
  const both = { [OWN]: node(made.chain, made.now), [OTHER]: node(branch, made.now) };
  assert.match((await ask(both)).text, /^not proven: it is in no block yet/);
  // The control: alone, the branch is the chain with the most work that anybody shows.
  assert.match((await ask({ [OTHER]: node(branch, made.now) })).text, /^proven by 28 hashes/);
});

test("attack: a proof whose bytes were changed on the way names the node and the place", async () => {
  const made = scene();
  const lies = { chain_getProof: (answer) => withRaw(answer, (raw) => raw.subarray(0, raw.length - 1)) };
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now, lies) }, made);
  const { state, text } = await service.check(paymentQuestion(made, made.early, 22));
  assert.equal(state, "lied");
  assert.match(text, /its proof does not hold: the light proof ends at byte/);
});
