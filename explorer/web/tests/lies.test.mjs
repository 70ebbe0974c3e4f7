// What a lying node may try, each lie beside the honest node that is believed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toHex, u64 } from "../light/bytes.js";
import { memoryStore } from "../light/store.js";
import { Chain } from "./support/chain.mjs";
import { key } from "./support/keys.mjs";
import { node, serviceOf, verifierOf, withRaw } from "./support/node.mjs";
import {
  GENESIS_TIME,
  LATELY,
  OTHER,
  OWN,
  PAID,
  accountQuestion,
  ask,
  blockQuestion,
  paymentQuestion,
  payee,
  scene,
  tipQuestion,
} from "./support/scene.mjs";

const WORK = "proven by 60 hashes of work";

/** Alone the liar is not believed; beside an honest node it is named, and the honest figures are proven. */
async function caught(lies, claim, make = accountQuestion) {
  const made = scene();
  const question = make(made);
  const { alone, both, liars } = await ask(made, lies, question);
  assert.equal(alone.state, "lied", alone.text);
  assert.match(alone.text, claim);
  assert.match(alone.text, /^the node lied: /);
  assert.equal(both.state, "proven", both.text);
  assert.deepEqual(
    liars.map(([url]) => url),
    [OWN],
  );
  assert.match(liars[0][1], claim);
  const control = await ask(made, {}, question);
  assert.equal(control.alone.state, "proven", control.alone.text);
  assert.ok(control.alone.text.startsWith(WORK), control.alone.text);
  assert.deepEqual(control.liars, []);
}

/** The balance of an account proof's leaf. */
const withBalance = (change) => (answer) =>
  withRaw(answer, (raw) => {
    const view = new DataView(raw.buffer);
    view.setBigUint64(80, change(view.getBigUint64(80, true)), true);
    return raw;
  });

test("lie: a balance that is too high", () =>
  caught({ state_getProof: withBalance((had) => had + 1n) }, /proof of the account/));

test("lie: a balance that is too low", () =>
  caught({ state_getProof: withBalance(() => 0n) }, /proof of the account/));

test("lie: a page that shows another balance than is proven", async () => {
  const made = scene();
  const { alone, both } = await ask(made, {}, accountQuestion(made, { balance: "99999999999" }));
  for (const verdict of [alone, both]) {
    assert.deepEqual(verdict, {
      state: "lied",
      text: "the node lied: it says balance 999.99999999 CRN, and 13 CRN is proven",
    });
  }
  const honest = await ask(made, {}, accountQuestion(made));
  assert.equal(honest.alone.text, `${WORK}; the last blocks may still be replaced: it had 12.5 CRN at block 24`);
});

test("lie: a page that shows another nonce than is proven", async () => {
  const made = scene();
  const { alone } = await ask(made, {}, accountQuestion(made, { nonce: "1" }));
  assert.equal(alone.state, "lied", alone.text);
});

test("lie: a page that shows an account of one block as that of another, or of another address", async () => {
  const made = scene();
  const question = accountQuestion(made, { height: `${made.chain.height}`, address: made.address });
  assert.equal((await ask(made, {}, question)).alone.state, "proven");
  const before = { height: 29, tip: toHex(made.chain.headers[29].id) };
  const { alone } = await ask(made, {}, { ...question, page: before });
  assert.equal(alone.text, "the node lied: it says height “30”, and “29” is proven");
  const other = await ask(made, {}, accountQuestion(made, { address: toHex(key(9).address) }));
  assert.equal(other.alone.state, "lied", other.alone.text);
});

test("lie: an account that is hidden behind its own leaf, doctored so that it spans the account", () =>
  caught(
    {
      state_getProof: (answer) => withRaw(answer, (raw) => raw.fill(0, 16, 80)),
    },
    /proof of the account/,
  ));

test("lie: an account that is hidden behind the leaf of another", async () => {
  const made = scene();
  const other = (height) => {
    const state = made.chain.states[height];
    return state.leafProof(state.accounts.findIndex(({ address }) => toHex(address) === toHex(key(9).address)));
  };
  const lies = {
    state_getProof: (answer, [, at]) => {
      return { ...answer, raw: toHex(other(made.chain.headers.findIndex(({ id }) => toHex(id) === at))) };
    },
  };
  await caught(lies, /says nothing about/);
});

test("lie: an account that was never created", async () => {
  const made = scene();
  const nobody = key(12).address;
  const question = { ...accountQuestion(made), id: toHex(nobody), claims: [["balance", "5"]] };
  const { alone } = await ask(made, {}, question);
  assert.equal(alone.state, "lied", alone.text);
  const control = await ask(
    made,
    {},
    {
      ...question,
      claims: [
        ["balance", "0"],
        ["exists", "false"],
      ],
    },
  );
  assert.equal(control.alone.state, "proven", control.alone.text);
});

test("lie: a forged proof of the chain", async () => {
  for (const place of [400, 2000, 5000]) {
    await caught(
      {
        chain_getProof: (answer) =>
          withRaw(answer, (raw) => {
            raw[place % raw.length] ^= 1;
            return raw;
          }),
      },
      /proof does not hold/,
    );
  }
});

test("lie: less work that claims more", async () => {
  const made = scene();
  const shorter = new Chain(made.network).grow(25);
  const liar = node(shorter, made.now, { chain_tip: (answer) => ({ ...answer, work: `${1n << 50n}` }) });
  const [third, nodes] = ["https://third.example/", {}];
  Object.assign(nodes, { [OWN]: liar, [OTHER]: node(shorter, made.now), [third]: node(made.chain, made.now) });
  const service = await serviceOf(made.network, nodes, made);
  const report = service.report();
  assert.deepEqual(report.liars, [{ node: OWN, claim: "it claims 1125899906842624 hashes of work, and proves 50" }]);
  assert.equal(report.node, third);
  // One that is merely behind does not lie; it is said to be behind.
  assert.deepEqual(report.warnings, [`the node at ${OTHER} is behind: it proves block 25 and less work`]);
  const question = { ...tipQuestion(made, { height: 99 }), page: { height: 99, tip: null } };
  assert.match((await service.check(question)).text, /^the node lied: it claims 1125899906842624 hashes/);
  const own = await serviceOf(made.network, { [OWN]: node(made.chain, made.now) }, made);
  const above = "the node lied: it shows block 99, and the chain that it proves ends at block 30";
  assert.equal((await own.check(question)).text, above);
});

test("lie: less work than this browser has seen is said", async () => {
  const made = scene();
  const store = memoryStore();
  const first = verifierOf(made.network, { [OWN]: node(made.chain, made.now) }, { ...made, store });
  assert.deepEqual((await first.refresh()).warnings, []);
  const shorter = new Chain(made.network).grow(25);
  const second = verifierOf(made.network, { [OWN]: node(shorter, made.now) }, { ...made, store });
  const { warnings, liars } = await second.refresh();
  assert.match(warnings[0], /50 hashes of work, and this browser has seen one with 60/);
  assert.deepEqual(liars, []);
});

test("lie: a payment that was never made", async () => {
  const made = scene();
  const forged = made.chain.pay(payee, 1_000_000_000n);
  const { alone, both } = await ask(made, {}, paymentQuestion(made, forged, 22));
  assert.equal(alone.state, "lied", alone.text);
  assert.match(alone.text, /claims that the payment .* is in block 22, and does not prove it/);
  assert.equal(both.state, "lied", both.text);
  const control = await ask(made, {}, paymentQuestion(made, made.early, 22));
  assert.equal(control.alone.text, WORK);
});

test("lie: figures of a payment that its own bytes contradict", async () => {
  const made = scene();
  const lies = {
    amount: 99_999_999_999n,
    fee: 11n,
    height: 23,
    memo: "00",
    confirmations: 30,
    "to.0": made.network.genesisId,
    sender: "ecrn1nonsense",
    block: toHex(made.chain.headers[21].id),
  };
  for (const [name, value] of Object.entries(lies)) {
    const { alone } = await ask(made, {}, paymentQuestion(made, made.early, 22, { [name]: value }));
    assert.equal(alone.state, "lied", `${name}: ${alone.text}`);
    assert.match(alone.text, new RegExp(`it says ${name}`));
  }
});

test("lie: another payment in the place of the one that was asked about", () =>
  caught(
    {
      chain_getTransactionProof: (answer, [, at]) => {
        const made = scene();
        return { ...answer, at, raw: toHex(made.chain.transactionProof(made.lateId)) };
      },
    },
    /was asked about the payment .*, and proves/,
    (made) => paymentQuestion(made, made.early, 22),
  ));

test("lie: a payment of a branch that was left", async () => {
  const made = scene();
  const followed = new Chain(made.network).grow(20);
  followed.mine([], 2001);
  followed.grow(20);
  const stale = made.chain.transactionProof(made.txid);
  const now = () => GENESIS_TIME + 90_000;
  const question = {
    ...paymentQuestion(made, made.early, 22),
    page: { height: followed.height, tip: toHex(followed.tip.id) },
  };
  const verdict = async (lies) => {
    return (await serviceOf(made.network, { [OWN]: node(followed, now, lies) }, { now })).check(question);
  };
  const proofs = [
    { chain_getTransactionProof: () => ({ raw: toHex(stale) }) },
    // The proof as it was under the tip that was left, and one that claims to be in the tip itself.
    { chain_getTransactionProof: () => ({ raw: toHex(concat(stale.slice(0, -5), Uint8Array.of(0))) }) },
    {},
  ];
  for (const lies of proofs) assert.equal((await verdict(lies)).state, "lied");
  assert.match((await verdict(proofs[0])).text, /proof does not hold/);
  // The page as it was before the chain was left is told to be old, and its node no liar.
  const old = await serviceOf(made.network, { [OWN]: node(followed, now) }, { now });
  const before = await old.check(paymentQuestion(made, made.early, 22));
  assert.deepEqual(before, {
    state: "failed",
    text: "not proven: blocks were replaced since this page was made: load it again",
  });
});

test("lie: a node that says mined and proves nothing is named, also when it is not the page's own", async () => {
  const made = scene();
  const forged = made.chain.pay(payee, 5n);
  const says = { tx_status: () => ({ state: "mined", height: 22 }) };
  const nodes = { [OWN]: node(made.chain, made.now), [OTHER]: node(made.chain, made.now, says) };
  const service = await serviceOf(made.network, nodes, made);
  const question = { ...paymentQuestion(made, forged, 22), claims: [] };
  const verdict = await service.check(question);
  assert.equal(verdict.state, "failed", verdict.text);
  assert.match(verdict.text, /what waits in a pool nothing can prove/);
  assert.deepEqual([...service.verifier.liars.keys()], [OTHER]);
});

test("lie: another block, time or parent", async () => {
  const made = scene();
  const { id } = made.chain.headers[11];
  for (const change of [{ id: toHex(id) }, { time: 5 }, { parent: toHex(id) }, { height: 12 }]) {
    const { alone } = await ask(made, {}, blockQuestion(made, 10, change));
    assert.equal(alone.state, "lied", alone.text);
  }
  assert.equal((await ask(made, {}, blockQuestion(made, 10))).alone.text, WORK);
});

test("lie: a body that is not the block's", async () => {
  const made = scene();
  const change = { transactions: 1, fees: 10, paid: PAID, size: made.chain.rawBlock(22).length, "tx.0": made.txid };
  const other = toHex(made.chain.rawBlock(28));
  const swapped = toHex(concat(made.chain.headers[22].raw, u64(1), made.late.raw));
  for (const raw of [other, swapped]) {
    const { alone } = await ask(made, { chain_getRawBlock: () => raw }, blockQuestion(made, 22, change));
    assert.equal(alone.state, "lied", alone.text);
  }
  assert.equal((await ask(made, {}, blockQuestion(made, 22, change))).alone.text, WORK);
  for (const [name, value] of [
    ["transactions", 2],
    ["fees", 11],
    ["tx.0", made.lateId],
    ["paid", LATELY],
    ["reward", 1],
  ]) {
    const { alone } = await ask(made, {}, blockQuestion(made, 22, { ...change, [name]: value }));
    assert.equal(alone.state, "lied", `${name}: ${alone.text}`);
  }
});

test("lie: a tip that is not the chain's", async () => {
  const made = scene();
  for (const change of [{ height: 29 }, { id: made.network.genesisId }, { work: 61 }, { time: 1 }]) {
    const { alone } = await ask(made, {}, tipQuestion(made, change));
    assert.equal(alone.state, "lied", alone.text);
  }
  assert.equal((await ask(made, {}, tipQuestion(made))).alone.text, WORK);
});

test("lie: a node that names a tip and will not prove it", async () => {
  const lies = { chain_getProof: () => ({ error: { code: 2001, message: "no such block" } }) };
  await caught(lies, /names the tip .* and will not prove it/);
});
