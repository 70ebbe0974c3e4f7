// The light client against a running node, and the receipt of a real wallet: two programs in two languages that have to
// agree on every figure. `cargo test -p cairn-tests --test explorer javascript` starts both and says by CAIRN_REAL what
// the node and the wallet say.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkReceiptFile, readReceiptFile } from "../light/receipt.js";
import { Service } from "../light/service.js";
import { memoryStore } from "../light/store.js";
import { approximate } from "../light/text.js";

const path = process.env.CAIRN_REAL;
const skip = path ? false : "no node is named: cargo test -p cairn-tests --test explorer javascript starts one";
const real = path ? JSON.parse(readFileSync(path, "utf8")) : {};

/** What was fetched, by method, and the program's own `fetch`. */
const fetched = [];
async function counting(url, options) {
  const response = await fetch(url, options);
  fetched.push(options.body ? JSON.parse(options.body).method : url);
  return response;
}

const service = new Service({
  fetch: counting,
  now: () => Date.now(),
  random: () => crypto.getRandomValues(new Uint8Array(32)),
  store: memoryStore(),
  origin: `${real.url}/`,
});
const page = () => ({ height: real.tip.height, tip: real.tip.id });
const claims = (facts) => Object.entries(facts).map(([name, value]) => [name, `${value}`]);
const check = (kind, id, facts) => service.check({ kind, id, claims: claims(facts), page: page() });

/** All figures are proven; and with any one of them changed, that one is called a lie. */
async function agrees(kind, id, facts) {
  const { state, text } = await check(kind, id, facts);
  assert.equal(state, "proven", `${kind}: ${text}`);
  assert.ok(text.startsWith(`proven by ${approximate(BigInt(real.tip.work))} hashes of work`), text);
  assert.ok(!text.includes("not proven"), `${kind}: ${text}`);
  for (const name of Object.keys(facts)) {
    const other = await check(kind, id, { ...facts, [name]: /^[0-9]+$/.test(facts[name]) ? `${facts[name]}1` : "x" });
    assert.notEqual(other.state, "proven", `${kind} with another ${name}: ${other.text}`);
  }
}

test("the tip that a real node proves", { skip }, async () => {
  const report = await service.open(real.genesis, []);
  const { tip, height, work, time, samples, liars, prefix } = report;
  assert.deepEqual(
    { tip, height, work: `${work}`, time },
    { tip: real.tip.id, height: real.tip.height, work: real.tip.work, time: real.tip.time },
  );
  assert.ok(samples > 0, "the chain is long enough for samples");
  assert.deepEqual([liars, prefix], [[], real.prefix]);
  const { height: claimed, id, work: hashes } = real.tip;
  await agrees("tip", "", { height: claimed, id, work: hashes });
});

test("accounts of a real node: one that paid, one that was paid, one that is not there", { skip }, async () => {
  for (const { address, ...facts } of real.accounts) await agrees("account", address, facts);
});

test("payments of a real node, deep and fresh", { skip }, async () => {
  for (const { txid, ...facts } of real.payments) await agrees("payment", txid, facts);
});

test("blocks of a real node, with payments and without, deep and fresh", { skip }, async () => {
  for (const { id, ...facts } of real.blocks) await agrees("block", id, facts);
});

test("the receipt of a real wallet", { skip }, async () => {
  const { network } = service.verifier;
  const mined = checkReceiptFile(network, readReceiptFile(real.receipt), { now: Date.now() });
  const { header, confirmations, workAbove } = mined.place;
  assert.deepEqual(
    { height: header.height, confirmations, work_above: `${workAbove}`, work: `${mined.tip.work}` },
    real.verified,
  );
  const altered = JSON.parse(real.receipt);
  for (let place = 0; place < altered.raw.length; place += Math.ceil(altered.raw.length / 50)) {
    const digit = altered.raw[place] === "0" ? "1" : "0";
    const raw = altered.raw.slice(0, place) + digit + altered.raw.slice(place + 1);
    const file = JSON.stringify({ ...altered, raw });
    assert.throws(() => checkReceiptFile(network, readReceiptFile(file), { now: Date.now() }), `digit ${place}`);
  }
});
