// Attacks by blocks: bodies that are others', and blocks that are not on the chain, near its tip and deep below it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkBlock } from "../light/block.js";
import { concat, equal, toHex, u64 } from "../light/bytes.js";
import { Chain, easyNetwork, payment } from "./support/chain.mjs";
import { node, serviceOf } from "./support/node.mjs";
import { GENESIS_TIME, OWN, blockQuestion, payee, scene } from "./support/scene.mjs";
import { refused } from "./support/judge.mjs";

test("attack: another body, or another block's", () => {
  const { chain, late } = scene();
  const header = chain.headers[22];
  assert.equal(checkBlock(chain.rawBlock(22), header).transactions.length, 1);
  refused(() => checkBlock(chain.rawBlock(28), header), /another block than the one that was asked for/);
  refused(() => checkBlock(concat(header.raw, u64(1), late.raw), header), /not those that block 22 commits to/);
  refused(() => checkBlock(concat(header.raw, u64(0)), header), /not those that block 22 commits to/);
});

test("attack: a deep block without payments that is not on the chain", async () => {
  const network = easyNetwork(GENESIS_TIME);
  const chain = new Chain(network).grow(700);
  const now = () => chain.tip.time;
  const other = new Chain(network).grow(39);
  other.mine([], 2001);
  const fake = other.tip;
  const lies = (raw) => ({
    chain_getHeader: () => ({ height: 40, work: "80", raw: toHex(raw) }),
    chain_getRawBlock: () => toHex(concat(raw, u64(0))),
  });
  const ask = async (told, id) => {
    const service = await serviceOf(network, { [OWN]: node(chain, now, told) }, { now });
    return service.check({ kind: "block", id, claims: [["height", "40"]], page: { height: 700, tip: null } });
  };
  const verdict = await ask(lies(fake.raw), toHex(fake.id));
  assert.equal(verdict.state, "lied", verdict.text);
  const right = chain.headers[40];
  assert.equal((await ask({}, toHex(right.id))).text, "proven by 1400 hashes of work");
  // A work that a node made up leads to another block, and shows nothing.
  const misled = await ask({ chain_getHeader: (answer) => ({ ...answer, work: "500" }) }, toHex(right.id));
  assert.notEqual(misled.state, "proven", misled.text);
});

test("attack: a deep block with payments, shown with the payment of another", async () => {
  const network = easyNetwork(GENESIS_TIME);
  const chain = new Chain(network);
  chain.mine([chain.pay(payee, 5n)]);
  chain.mine([chain.pay(payee, 6n)]);
  chain.grow(600);
  const now = () => chain.tip.time;
  const made = { network, chain, now };
  const honestly = await serviceOf(network, { [OWN]: node(chain, now) }, { now });
  const question = blockQuestion(made, 1, { transactions: 1 });
  assert.equal((await honestly.check(question)).state, "proven");
  const raw = toHex(chain.transactionProof(toHex(chain.bodies[2][0].id)));
  const liar = await serviceOf(
    network,
    { [OWN]: node(chain, now, { chain_getTransactionProof: (answer) => ({ ...answer, raw }) }) },
    { now },
  );
  assert.equal((await liar.check(question)).state, "lied");
});

test("attack: another block in the place of the one that was asked about", async () => {
  const made = scene();
  const ask = async (lies, question) => {
    const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now, lies) }, made);
    return (await service.check(question)).text;
  };
  const question = { ...blockQuestion(made, 10), claims: [["transactions", "0"]] };
  const raw = toHex(made.chain.headers[11].raw);
  assert.match(
    await ask({ chain_getHeader: () => ({ work: "22", raw }) }, question),
    /was asked for the block .*, and gives/,
  );
  // A block of that height that was mined on another branch.
  const other = new Chain(made.network).grow(9);
  const fake = other.mine([], 2001);
  const lies = { chain_getHeader: () => ({ work: "20", raw: toHex(fake.raw) }) };
  assert.match(
    await ask(lies, { ...question, id: toHex(fake.id), claims: [] }),
    /claims that block 10 is .*, and proves another/,
  );
  assert.match(await ask({}, question), /^proven by 60/);
});

test("attack: a deep block of a branch that was left, with a payment that is on the chain, too", async () => {
  const network = easyNetwork(GENESIS_TIME);
  const chain = new Chain(network);
  const paid = chain.pay(payee, 5n);
  const left = chain.clone();
  const fake = left.mine([paid], 2001);
  chain.mine([paid]);
  chain.grow(600);
  const now = () => chain.tip.time;
  const lies = {
    chain_getHeader: () => ({ work: "2", raw: toHex(fake.raw) }),
    chain_getRawBlock: () => toHex(left.rawBlock(1)),
  };
  const ask = async (told, id) => {
    const service = await serviceOf(network, { [OWN]: node(chain, now, told) }, { now });
    return (await service.check({ kind: "block", id: toHex(id), claims: [], page: { height: null, tip: null } }))
      .text;
  };
  assert.match(await ask(lies, fake.id), /claims that .* is block 1, and proves another/);
  assert.equal(await ask({}, chain.headers[1].id), "proven by 1202 hashes of work");
});
