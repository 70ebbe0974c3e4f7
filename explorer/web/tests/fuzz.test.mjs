// Honest answers with a bit flipped, or in a hostile shape: each is found out, or changes nothing that is shown; and
// nothing is ever thrown but the one kind of error.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAccount } from "../light/accounts.js";
import { checkBlock } from "../light/block.js";
import { concat, fromHex, toHex, u64 } from "../light/bytes.js";
import { ProofError } from "../light/errors.js";
import { checkLightProof, decodeLightProof } from "../light/light_proof.js";
import { readNetworkFile } from "../light/network_file.js";
import { networkOf, encodeParams } from "../light/network.js";
import { describedNetwork } from "../light/networks.js";
import { readUri } from "../light/payment_uri.js";
import { checkReceiptFile, decodeReceipt, checkReceipt, readReceiptFile } from "../light/receipt.js";
import { checkTransactionProof, decodeTransactionProof } from "../light/transaction_proof.js";
import { VerifiedTip } from "../light/verified_tip.js";
import { Chain, easyNetwork } from "./support/chain.mjs";
import { node, serviceOf } from "./support/node.mjs";
import {
  GENESIS_TIME,
  OWN,
  PAID,
  accountQuestion,
  blockQuestion,
  paymentQuestion,
  payee,
  scene,
  tipQuestion,
} from "./support/scene.mjs";

/** Repeatable numbers (mulberry32). */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
}

const SEED = Number(process.env.CAIRN_FUZZ_SEED ?? 1);
const ROUNDS = Number(process.env.CAIRN_FUZZ_ROUNDS ?? 1);

/** What `judge` says, or null where it refuses; anything else that is thrown is a bug. */
function verdict(judge) {
  try {
    return judge();
  } catch (error) {
    if (error instanceof ProofError) return null;
    throw error;
  }
}

/** Flips bits of `bytes` in turn: each has to be refused, or to leave the verdict as it was. */
function flips(bytes, judge, count, seed, name) {
  const honest = verdict(() => judge(bytes));
  assert.notEqual(honest, null, `${name}: the control`);
  const draw = random(seed);
  let refused = 0;
  for (let round = 0; round < count * ROUNDS; round += 1) {
    const altered = bytes.slice();
    altered[draw(bytes.length)] ^= 1 << draw(8);
    const got = verdict(() => judge(altered));
    assert.ok(got === null || got === honest, `${name}, seed ${seed}, round ${round}: ${got}`);
    refused += got === null ? 1 : 0;
  }
  for (let round = 0; round < 100 * ROUNDS; round += 1) {
    const [cut, extra] = [bytes.slice(0, draw(bytes.length)), concat(bytes, new Uint8Array(1 + draw(40)))];
    for (const altered of [cut, extra])
      assert.equal(
        verdict(() => judge(altered)),
        null,
        `${name}: cut or longer`,
      );
  }
  assert.equal(refused, count * ROUNDS, `${name}: every bit counts`);
}

test("bits of everything that is proven", () => {
  const made = scene();
  const { network, chain } = made;
  const now = chain.tip.time;
  const request = { tip: chain.tip.id, random: new Uint8Array(32).fill(5), samples: 56 };
  const light = (bytes) => checkLightProof(network, request, decodeLightProof(bytes), now);
  flips(chain.lightProof(request.random), (bytes) => `${light(bytes).work}`, 3000, SEED, "a light proof");
  const tip = light(chain.lightProof(request.random));
  flips(
    chain.transactionProof(made.txid),
    (bytes) => {
      const proof = decodeTransactionProof(bytes);
      return JSON.stringify([toHex(proof.transaction.id), checkTransactionProof(network, proof, tip).confirmations]);
    },
    1000,
    SEED,
    "the proof of a payment",
  );
  const state = chain.states[24];
  flips(
    state.proof(payee),
    (bytes) => `${checkAccount(bytes, payee, state.root())?.balance}`,
    2000,
    SEED,
    "an account",
  );
  const absent = new Uint8Array(32).fill(0x55);
  flips(state.proof(absent), (bytes) => `${checkAccount(bytes, absent, state.root())}`, 2000, SEED, "no account");
  flips(
    chain.rawBlock(22),
    (bytes) => `${checkBlock(bytes, chain.headers[22]).transactions.length}`,
    2000,
    SEED,
    "a block",
  );
  flips(
    chain.receipt(made.txid),
    (bytes) => `${checkReceipt(network, decodeReceipt(bytes), now).place.workAbove}`,
    1000,
    SEED,
    "a receipt",
  );
});

test("bits of the proof of a long chain, with samples and trees", () => {
  const network = easyNetwork(GENESIS_TIME);
  const chain = new Chain(network, { frozen: true }).grow(1500);
  const request = { tip: chain.tip.id, random: new Uint8Array(32).fill(6), samples: 56 };
  const judge = (bytes) => `${checkLightProof(network, request, decodeLightProof(bytes), chain.tip.time).work}`;
  flips(chain.lightProof(request.random), judge, 60, SEED, "a light proof");
});

test("bits of a tip that was kept: it is thrown away", () => {
  const { network, chain } = scene();
  const request = { tip: chain.tip.id, random: new Uint8Array(32), samples: 56 };
  const kept = checkLightProof(
    network,
    request,
    decodeLightProof(chain.lightProof(request.random)),
    chain.tip.time,
  ).keep();
  const shown = (value) => {
    const tip = VerifiedTip.restore(network, value);
    return tip && `${tip.id} ${tip.work}`;
  };
  assert.equal(shown(structuredClone(kept)), `${toHex(chain.tip.id)} ${chain.work}`, "the control");
  assert.equal(shown(VerifiedTip.genesis(network).keep()), `${network.genesisId} 0`);
  const draw = random(SEED);
  for (let round = 0; round < 500; round += 1) {
    const altered = structuredClone(kept);
    const list = draw(4) ? altered.headers : altered.peaks;
    // Of the tip's own header half of all alterations have enough work again on a network this easy.
    list[draw(list === altered.headers ? list.length - 190 : list.length)] ^= 1 << draw(8);
    assert.equal(shown(altered), null, `round ${round}`);
  }
  for (const value of [
    null,
    5,
    "x",
    [],
    {},
    { ...kept, version: 2 },
    { ...kept, marks: [] },
    { ...kept, marks: null },
    { ...kept, marks: [["x", "y"]] },
    { ...kept, headers: new Uint8Array(189) },
    { ...kept, peaks: new Uint8Array(0) },
    { ...kept, headers: kept.headers.slice(190) },
    { ...kept, work: "1" },
    { ...kept, samples: "1" },
    new Proxy({}, {}),
  ]) {
    assert.equal(shown(value), null);
  }
});

/** Values that no answer has. */
const ODD = [
  null,
  undefined,
  0,
  -1,
  1.5,
  1e300,
  true,
  "",
  "0x",
  "zz",
  "ab",
  "AB".repeat(190),
  "00".repeat(190),
  [],
  [[]],
  {},
  { __proto__: { raw: "00" } },
  JSON.parse('{"__proto__": {"raw": "00"}}'),
  { constructor: { prototype: {} } },
  { length: 2 ** 53 },
  { raw: { toString: 1 } },
];

test("hostile shapes in the place of every answer", async () => {
  const made = scene();
  const questions = [
    accountQuestion(made),
    paymentQuestion(made, made.early, 22),
    blockQuestion(made, 22, { size: 1 }),
    tipQuestion(made),
  ];
  const methods = [
    "node_info",
    "chain_tip",
    "chain_getProof",
    "state_getProof",
    "chain_getTransactionProof",
    "chain_getHeader",
    "chain_getRawBlock",
    "tx_status",
  ];
  for (const method of methods) {
    for (const odd of [...ODD, ...ODD.map((raw) => ({ ...fieldsOf(made, method), raw }))]) {
      const service = await serviceOf(
        made.network,
        { [OWN]: node(made.chain, made.now, { [method]: () => odd }) },
        made,
      );
      for (const question of questions) {
        const { state, text } = await service.check(question);
        assert.ok(["proven", "lied", "failed"].includes(state), text);
        assert.ok(text.length < 2000, text);
      }
    }
  }
  assert.equal({}.raw, undefined, "no prototype was polluted");
});

/** The other fields of an honest answer. */
function fieldsOf({ chain, network }, method) {
  const info = { genesis_id: network.genesisId, time: GENESIS_TIME };
  return method === "node_info" ? info : { work: `${chain.work}`, since: null, state: "mined", height: 22 };
}

test("hostile shapes in the place of every answer's text", async () => {
  const made = scene();
  const deep = "[".repeat(30_000);
  const texts = [
    "",
    "{}",
    "[]",
    "null",
    '""',
    '{"result":',
    deep,
    `{"result":${deep}`,
    `{"error":${'{"a":'.repeat(9000)}`,
    '{"error":{}}',
    '{"error":{"code":"x","message":5}}',
    '{"error":{"code":2001,"message":"\u202e<b>"}}',
    '{"__proto__":{"result":{}}}',
    "\u0000",
    "\ufeff{}",
  ];
  for (const text of texts) {
    const service = await serviceOf(made.network, { [OWN]: () => new Response(text) }, made);
    const { state } = await service.check(tipQuestion(made));
    assert.notEqual(state, "proven", text.slice(0, 40));
    assert.deepEqual([...(service.verifier?.liars ?? [])], [], "errors are no lies");
  }
});

test("counts that claim more than there is allocate nothing", () => {
  const { network, chain } = scene();
  const huge = [u64(2n ** 64n - 1n), u64(2n ** 53n), u64(2n ** 32n), u64(1_000_000)];
  const request = { tip: chain.tip.id, random: new Uint8Array(32), samples: 56 };
  const before = process.memoryUsage().heapUsed;
  for (const count of huge) {
    for (const bytes of [count, concat(u64(0), count), concat(u64(0), u64(0), count)]) {
      assert.equal(
        verdict(() => checkLightProof(network, request, decodeLightProof(bytes), 0)),
        null,
      );
    }
    assert.equal(
      verdict(() => checkAccount(concat(u64(5), u64(1), new Uint8Array(80), count), payee, payee)),
      null,
    );
    assert.equal(
      verdict(() => checkBlock(concat(chain.headers[22].raw, count), chain.headers[22])),
      null,
    );
    assert.equal(
      verdict(() => checkAccount(concat(count, u64(1), new Uint8Array(80), u64(0)), payee, payee)),
      null,
    );
  }
  assert.ok(process.memoryUsage().heapUsed - before < 50e6);
});

test("hostile files", () => {
  const { network, chain, txid } = scene();
  const file = chain.receiptFile(txid);
  const judge = (text) =>
    toHex(checkReceiptFile(network, readReceiptFile(text), { now: chain.tip.time }).transaction.id);
  assert.equal(judge(file), txid);
  const draw = random(SEED);
  for (let round = 0; round < 300; round += 1) {
    const letters = [...file];
    letters[draw(letters.length)] = String.fromCodePoint(draw(0x7f));
    const got = verdict(() => judge(letters.join("")));
    assert.ok(got === null || got === txid);
  }
  const claim = (change) => verdict(() => judge(JSON.stringify({ ...JSON.parse(file), ...change })));
  for (const change of [
    { txid: "ab".repeat(32) },
    { genesis_id: "ab".repeat(32) },
    { cairn_receipt: 2 },
    { cairn_receipt: "1" },
    { raw: "" },
    { raw: null },
    { raw: "zz" },
    { chain: 5 },
    { txid: null },
  ]) {
    assert.equal(claim(change), null, JSON.stringify(change));
  }
  for (const text of ["", "{}", "[]", "null", "5", "[".repeat(1e6), "{".repeat(1e6)])
    assert.equal(
      verdict(() => judge(text)),
      null,
    );
  const least = { now: chain.tip.time, leastWork: 17n };
  assert.equal(
    verdict(() => checkReceiptFile(network, readReceiptFile(file), least)),
    null,
  );
  assert.ok(checkReceiptFile(network, readReceiptFile(file), { ...least, leastWork: 16n }));
});

test("hostile descriptions of networks", () => {
  const { network } = scene();
  const params = encodeParams(network.params);
  assert.equal(networkOf(params, network.genesisId).genesisId, network.genesisId);
  flips(params, (bytes) => networkOf(bytes, network.genesisId).genesisId, 300, SEED, "a network");
  for (const text of ["", "{}", '{"params":5}', '{"params":"00"}', '{"params":"' + "ff".repeat(200) + '"}']) {
    assert.equal(
      verdict(() => describedNetwork(text, network.genesisId)),
      null,
    );
  }
  for (const text of [
    "",
    "x",
    "name = 5",
    "[[allocations]]",
    'name = "a"\nname = "b"',
    "[".repeat(1e5),
    "a=1".repeat(1e6),
  ]) {
    assert.equal(
      verdict(() => readNetworkFile(text)),
      null,
    );
  }
});

test("hostile payment URIs", () => {
  const draw = random(SEED);
  const honest = "cairn:lcrn1x?amount=1.5&memo=for%20the%20tea&label=Bob";
  for (let round = 0; round < 3000; round += 1) {
    const letters = [...honest];
    for (let i = 0; i <= draw(3); i += 1) letters[draw(letters.length)] = String.fromCodePoint(draw(0x250));
    verdict(() =>
      JSON.stringify(readUri(letters.join("")), (_, value) => (typeof value === "bigint" ? `${value}` : value)),
    );
  }
  assert.equal(PAID, 1_250_000_000n);
});
