// Nodes that are slow, silent, behind, busy or broken: they are named, and no liars. And what later visits fetch.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStore } from "../light/store.js";
import { Chain } from "./support/chain.mjs";
import { fetchOf, node, serviceOf, verifierOf } from "./support/node.mjs";
import { OTHER, OWN, accountQuestion, blockQuestion, paymentQuestion, scene, tipQuestion } from "./support/scene.mjs";

test("a stale tip, and an hour with little work, are said", async () => {
  const made = scene({ age: 3 * 3_600_000 });
  const run = verifierOf(made.network, { [OWN]: node(made.chain, made.now) }, made);
  assert.match((await run.refresh()).warnings[0], /^the newest block is 2 h old/);
  const fresh = made.chain.clone();
  fresh.mine([], 3 * 3_600_000 - 61_000 - 60_000);
  const other = verifierOf(made.network, { [OWN]: node(fresh, made.now) }, made);
  assert.match(
    (await other.refresh()).warnings[0],
    /^the last hour has [0-9]+ times less work than an hour of the last day/,
  );
  const control = scene();
  const right = verifierOf(control.network, { [OWN]: node(control.chain, control.now) }, control);
  assert.deepEqual((await right.refresh()).warnings, []);
});

test("a clock that is the odd one out is named, and nobody is called a liar for it", async () => {
  const made = scene();
  const behind = () => made.now() - 3_600_000;
  const nodes = { [OWN]: node(made.chain, made.now), [OTHER]: node(made.chain, made.now) };
  const run = verifierOf(made.network, nodes, { now: behind });
  await assert.rejects(run.refresh(), /clock is 3600 s behind that of the nodes \(2 asked\)/);
  assert.equal(run.liars.size, 0);
  // The control: nodes whose own clocks say that their block is from the future.
  const early = verifierOf(made.network, { [OWN]: node(made.chain, behind) }, { now: behind });
  await assert.rejects(early.refresh(), /lies: .*from the future/);
  // And one whose clock is ahead warns, and refuses nothing.
  const ahead = verifierOf(made.network, { [OWN]: node(made.chain, made.now) }, { now: () => made.now() + 60_000 });
  assert.match((await ahead.refresh()).warnings.join(), /clock is 60 s ahead of the nodes'/);
});

/** A blank every so many ms. */
function trickle(ms) {
  const pull = async (stream) => {
    // It trickles on when all tests are over.
    await new Promise((resolve) => setTimeout(resolve, ms).unref());
    stream.enqueue(new Uint8Array([32]));
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

/** A text, and no end. */
function unended(text) {
  const start = (stream) => stream.enqueue(new TextEncoder().encode(text));
  return new ReadableStream({ start, pull: () => new Promise(() => {}) });
}

test("a node that does not answer is named, and is no liar", async () => {
  const made = scene();
  made.honest = node(made.chain, made.now);
  const dead = {
    silent: () => new Promise(() => {}),
    "not there": null,
    broken: () => {
      throw new TypeError("reset");
    },
    busy: () => ({ error: { code: 6001, message: "busy" } }),
    html: () => new Response("<html>"),
    empty: () => new Response(null),
    odd: () => new Response("[]"),
    long: () => new Response("x".repeat(1 << 20)),
    trickling: () => new Response(trickle(20)),
    unended: (method, params) => {
      const result = made.honest(method, params);
      return new Response(unended(JSON.stringify({ jsonrpc: "2.0", id: 1, result })));
    },
  };
  for (const [name, answer] of Object.entries(dead)) {
    const nodes = { [OWN]: node(made.chain, made.now), [`https://${name.replace(" ", "")}.example/`]: answer };
    const run = verifierOf(made.network, nodes, { ...made, patience: 600 });
    const report = await run.refresh();
    assert.deepEqual(report.liars, [], name);
    assert.match(report.warnings.join(), /was of no help/, name);
    const alone = verifierOf(made.network, { [OWN]: answer }, { ...made, patience: 600 });
    await assert.rejects(alone.refresh(), (error) => error.kind === "failure" && error.liars.length === 0, name);
  }
});

test("a node that fails in the middle of a question is no liar", async () => {
  const made = scene();
  for (const method of ["chain_getProof", "state_getProof", "chain_getTransactionProof", "chain_getRawBlock"]) {
    const lies = { [method]: () => ({ error: { code: 6001, message: "busy" } }) };
    const service = await serviceOf(made.network, { [OWN]: node(made.chain, made.now, lies) }, made);
    const question =
      { state_getProof: accountQuestion(made), chain_getRawBlock: blockQuestion(made, 22, { size: 1 }) }[method] ??
      paymentQuestion(made, made.early, 22);
    const verdict = await service.check(question);
    assert.equal(verdict.state, "failed", `${method}: ${verdict.text}`);
    assert.match(verdict.text, /^not proven: .*busy/);
  }
});

test("a later visit fetches what is new, and what continues another tip is a lie", async () => {
  const made = scene();
  const store = memoryStore();
  const visit = async (lies = {}) => {
    const run = verifierOf(made.network, { [OWN]: node(made.chain, made.now, lies) }, { ...made, store });
    return run.refresh();
  };
  const whole = (await visit()).bytes;
  assert.ok((await visit()).bytes < 2000, "nothing is new");
  made.chain.grow(2);
  const { bytes, work } = await visit();
  assert.ok(bytes < whole / 2 && work === 64n, `${bytes} of ${whole}`);
  made.chain.grow(2);
  const other = { chain_getProof: (answer) => ({ ...answer, since: made.network.genesisId }) };
  await assert.rejects(visit(other), /continues from a tip that it was not asked about/);
  // A reorganisation: the tip that is kept is on no chain any more, and everything comes.
  const left = new Chain(made.network).grow(3);
  left.mine([], 2001);
  left.grow(36, 1900);
  made.chain = left;
  const late = verifierOf(
    made.network,
    { [OWN]: node(left, () => left.tip.time) },
    { now: () => left.tip.time, store },
  );
  assert.equal((await late.refresh()).work, left.work);
});

test("answers that come one after the other never take a newer tip back", async () => {
  const made = scene();
  let release;
  const gate = new Promise((resolve) => {
    release = resolve;
  });
  const own = node(made.chain, made.now);
  const slow = Object.assign(
    async (method, params) => {
      if (method === "chain_tip") await gate;
      return own(method, params);
    },
    { network: made.network },
  );
  const run = verifierOf(made.network, { [OWN]: slow }, made);
  const [first, second] = [run.refresh(), run.refresh()];
  release();
  assert.equal(await first, await second);
  assert.equal((await run.refresh()).work, 60n);
});

test("fetch is asked for one page only, and follows nobody elsewhere", async () => {
  const made = scene();
  const seen = [];
  const inner = fetchOf({ [OWN]: node(made.chain, made.now) });
  const fetch = (url, options) => {
    seen.push([url, options]);
    return inner(url, options);
  };
  const run = verifierOf(made.network, { [OWN]: null }, { ...made, fetch });
  await run.refresh();
  assert.ok(
    seen.every(([url, options]) => url === OWN && options.redirect === "error" && options.cache === "no-store"),
  );
});

test("a node that is slow holds up nobody for long", async () => {
  const made = scene();
  const never = Object.assign(() => new Promise(() => {}), { network: made.network });
  const nodes = { [OTHER]: never, [OWN]: node(made.chain, made.now) };
  const report = await verifierOf(made.network, nodes, { ...made, patience: 3000 }).refresh();
  assert.equal(report.node, OWN);
  assert.deepEqual(report.warnings, [`the node at ${OTHER} was of no help: it takes too long`]);
});

test("a node that answers each question just in time and never proves its tip is given up", async () => {
  const made = scene();
  const [patience, honest] = [600, node(made.chain, made.now)];
  // Its tip has moved whenever a proof is asked for.
  const late = (ms) => async (method, params) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return method === "chain_getProof" ? { error: { code: 2001, message: "no such block" } } : honest(method, params);
  };
  const begun = performance.now();
  const run = verifierOf(made.network, { [OWN]: late(0.7 * patience) }, { ...made, patience });
  await assert.rejects(run.refresh(), /was of no help: it takes too long/);
  assert.ok(performance.now() - begun < 3 * patience, "less than all of its answers take");
  // The control: one that does the same and is quick is caught.
  const quick = verifierOf(made.network, { [OWN]: late(0) }, { ...made, patience });
  await assert.rejects(quick.refresh(), /lies: .* will not prove it/);
});

test("a payment that a reorganisation takes back in the middle of a question makes nobody a liar", async () => {
  const made = scene();
  let now = made.now();
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, () => now) }, { now: () => now });
  const question = paymentQuestion(made, made.early, 22);
  const other = new Chain(made.network).grow(20);
  other.mine([], 2001);
  other.grow(12);
  // The node answers as one does that has left the tip: it knows the block, and no such payment.
  const own = node(other, () => now, {
    chain_getTransactionProof: () => ({ error: { code: 2002, message: "no such" } }),
  });
  for (const known of service.verifier.nodes) known.fetch = fetchOf({ [OWN]: own });
  now += 10_000;
  const verdict = await service.check(question);
  assert.equal(verdict.state, "failed", verdict.text);
  assert.match(verdict.text, /blocks were replaced since this page was made/);
  assert.equal(service.verifier.liars.size, 0);
});

test("a node that has moved on since the tip was proven is asked once more", async () => {
  const made = scene();
  let now = made.now();
  const service = await serviceOf(made.network, { [OWN]: node(made.chain, () => now) }, { now: () => now });
  // Another branch, on which the payment is in another block.
  const other = new Chain(made.network).grow(21);
  other.mine([made.early], 2001);
  other.grow(10);
  for (const name of ["headers", "bodies", "states", "leaves", "trees", "history"]) made.chain[name] = other[name];
  now += 10_000;
  const verdict = await service.check(paymentQuestion(made, made.early, 22));
  assert.equal(verdict.text, "proven by 64 hashes of work");
});

test("a page that is newer than the proof under way waits for the next, and its node is no liar", async () => {
  const made = scene();
  let gate = Promise.resolve();
  const own = node(made.chain, made.now);
  const slow = async (method, params) => {
    const answer = own(method, params);
    if (method === "chain_tip") await gate;
    return answer;
  };
  const now = () => made.now() + 10_000;
  const service = await serviceOf(made.network, { [OWN]: Object.assign(slow, { network: made.network }) }, { now });
  let open;
  gate = new Promise((resolve) => {
    open = resolve;
  });
  const running = service.refresh();
  await new Promise((resolve) => setTimeout(resolve, 20));
  made.chain.grow(1);
  const question = service.check(tipQuestion(made));
  open();
  gate = Promise.resolve();
  assert.equal((await running).height, 30);
  assert.equal((await question).state, "proven");
});

test("a page above the tip of another node, while its own is silent, is no lie", async () => {
  const made = scene();
  const shorter = new Chain(made.network).grow(25);
  const silent = Object.assign(() => ({ error: { code: 6001, message: "busy" } }), { network: made.network });
  const service = await serviceOf(made.network, { [OWN]: silent, [OTHER]: node(shorter, made.now) }, made);
  const verdict = await service.check(tipQuestion(made));
  assert.deepEqual(verdict, { state: "failed", text: "not proven: block 30 is not on the chain that is proven" });
});
