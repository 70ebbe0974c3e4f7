// The golden vectors that docs/protocol.md quotes, computed by this client.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { showAddress, readAddress } from "../light/address.js";
import { checkAccount, leafHash, stateRoot } from "../light/accounts.js";
import { checkBlock } from "../light/block.js";
import { Reader, concat, fromHex, toBigEndian, toHex, u32, u64 } from "../light/bytes.js";
import { DifficultyBounds, logarithm } from "../light/difficulty_bounds.js";
import { headerSeal, readHeader } from "../light/header.js";
import { History, checkPlace, readNode } from "../light/history.js";
import { checkLightProof, decodeLightProof } from "../light/light_proof.js";
import { txsRoot } from "../light/merkle.js";
import { makeNetwork, encodeParams, readParams } from "../light/network.js";
import { shippedParams } from "../light/networks.js";
import { rawOffset, sampleSeed } from "../light/samples.js";
import { verifySignature } from "../light/secp256k1.js";
import { sha256 } from "../light/sha256.js";
import { decodeTarget, showTarget, stepTarget, workOf } from "../light/targets.js";
import { checkTransaction, decodeTransaction } from "../light/transaction.js";
import { checkTransactionProof, decodeTransactionProof } from "../light/transaction_proof.js";
import { Chain } from "./support/chain.mjs";
import { key } from "./support/keys.mjs";

const file = (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const golden = JSON.parse(file("ledger/tests/vectors/golden.json"));
const bytes = (name) => fromHex(golden[name], name, 0, 1 << 20);
const repeat = (byte) => new Uint8Array(32).fill(byte);
const matching = (prefix) =>
  Object.keys(golden)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));
const network = makeNetwork(readParams(bytes("params.bytes")));
const local = makeNetwork(shippedParams()[2]);
const main = makeNetwork(shippedParams()[0]);

test("the document quotes what the file holds", () => {
  const quoted = [...file("docs/protocol.md").matchAll(/^([a-z_]+\.[^ =]+|[a-z_.0-9-]+) = (\S.*)$/gm)];
  const same = quoted.filter(([, name, value]) => golden[name] === value);
  assert.ok(same.length >= 80, `${same.length} vectors are quoted`);
});

test("keys, addresses and SHA-256", () => {
  for (const secret of [1, 2, 3, 4]) assert.equal(toHex(key(secret).address), golden[`key.${secret}`]);
  for (const prefix of ["crn", "tcrn", "lcrn"]) {
    assert.equal(showAddress(prefix, bytes("key.1")), golden[`address.${prefix}`]);
    assert.equal(toHex(readAddress(golden[`address.${prefix}`].toUpperCase(), prefix).bytes), golden["key.1"]);
  }
  for (let length = 0; length < 300; length += 1) {
    const data = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
    assert.equal(toHex(sha256(data)), createHash("sha256").update(data).digest("hex"), `${length} bytes`);
  }
});

test("signatures of BIP340", () => {
  for (const line of file("ledger/tests/vectors/bip340.csv").trim().split("\n").slice(1)) {
    const [index, , publicKey, , message, signature, verdict] = line.toLowerCase().split(",");
    const [p, m, s] = [publicKey, message, signature].map((hex) => fromHex(hex, "vector", 0, 200));
    assert.equal(verifySignature(p, m, s), verdict.trim() === "true", `vector ${index}`);
  }
});

test("parameters, block 0 and the transaction", () => {
  assert.equal(toHex(encodeParams(network.params)), golden["params.bytes"]);
  assert.equal(toHex(network.genesis.parent), golden["params.hash"]);
  assert.equal(toHex(network.genesis.stateRoot), golden["genesis.state_root"]);
  assert.equal(toHex(network.genesis.raw), golden["genesis.bytes"]);
  assert.equal(toHex(headerSeal(network.genesis.raw)), golden["genesis.seal"]);
  assert.equal(network.genesisId, golden["genesis.id"]);
  const transaction = decodeTransaction(bytes("transaction.bytes"));
  checkTransaction(network, transaction);
  assert.equal(toHex(transaction.id), golden["transaction.id"]);
  assert.equal(toHex(transaction.body), golden["transaction.body"]);
});

test("the header, the block and its transactions", () => {
  const header = readHeader(bytes("header.bytes"));
  assert.equal(toHex(headerSeal(header.raw)), golden["header.seal"]);
  assert.equal(toHex(header.id), golden["header.id"]);
  const block = checkBlock(bytes("block.bytes"), header);
  assert.equal(toHex(block.transactions[0].id), golden["transaction.id"]);
  for (const count of matching("txs_root.")) {
    const ids = Array.from({ length: Number(count) }, (_, i) => repeat(i + 1));
    assert.equal(toHex(txsRoot(ids)), golden[`txs_root.${count}`]);
  }
});

test("states and proofs of accounts", () => {
  const order = [0, 3, 1, 4, 2].map((byte) => repeat(byte));
  for (const count of [1, 2, 3, 4, 5]) {
    const there = order.slice(0, count);
    const sorted = there.map(toHex).sort();
    const leaves = there.map((address) => {
      const next = sorted[sorted.indexOf(toHex(address)) + 1] ?? toHex(repeat(0));
      return concat(address, fromHex(next, "address", 32), u64(address[0]), u64(address[0]));
    });
    assert.equal(toHex(stateRoot(leaves)), golden[`state_root.${count}`]);
  }
  assert.equal(toHex(leafHash(bytes("leaf.bytes"))), golden["leaf.hash"]);
  const { stateRoot: root } = readHeader(bytes("header.bytes"));
  assert.equal(checkAccount(bytes("account_proof.bytes"), bytes("key.2"), root).balance, 2_001_000n);
  const between = fromHex(`${golden["key.2"].slice(0, -2)}ff`, "address", 32);
  assert.equal(checkAccount(bytes("account_proof.bytes"), between, root), null);
});

test("history", () => {
  const leaf = (i) =>
    concat(repeat(i + 1), toBigEndian(BigInt(1000 * i)), u64(2000 * i), u32(0x1e3fff00 + i), u32(0x1e3fff01 + i));
  const history = new History();
  for (let count = 0; count <= 8; count += 1) {
    assert.equal(toHex(history.root()), golden[`history_root.${count}`]);
    if (count === 2) assert.equal(toHex(history.peaks[0].raw), golden["history_node.0-1"]);
    history.append(readNode(leaf(count)));
  }
  const reader = new Reader(bytes("history_proof.3-of-5"), "proof");
  const siblings = Array.from({ length: reader.count("nodes", 80) }, () => readNode(reader.take(80)));
  assert.equal(checkPlace(readNode(leaf(3)), 3, siblings, 5, bytes("history_root.5")), 3000n);
});

test("targets, work and difficulty", () => {
  for (const bits of matching("target.")) {
    const target = decodeTarget(Number.parseInt(bits, 16));
    assert.equal(toHex(toBigEndian(target)), golden[`target.${bits}`]);
    assert.equal(workOf(Number.parseInt(bits, 16)).toString(), golden[`work.${bits}`]);
    if (golden[`lg.${bits}`]) assert.equal(logarithm(target).toString(), golden[`lg.${bits}`]);
  }
  for (const [rules, name, start] of [
    [local, "local", 0x1e1fffff],
    [main, "main", 0x1d1fffff],
  ]) {
    for (const gap of matching(`next_target.${name}.`)) {
      assert.equal(showTarget(stepTarget(rules, start, BigInt(gap))), golden[`next_target.${name}.${gap}`]);
    }
    for (const tile of matching(`tile.${name}.`)) {
      const [blocks, time, next] = tile.split(".");
      const bounds = new DifficultyBounds(rules).of(start, Number.parseInt(next, 16), BigInt(blocks), BigInt(time));
      assert.equal(`${bounds.work} ${bounds.easier} ${bounds.harder}`, golden[`tile.${name}.${tile}`]);
    }
  }
});

test("light proofs and the proof of a payment", () => {
  const seed = sampleSeed(repeat(1), repeat(2));
  assert.equal(toHex(seed), golden["light.seed"]);
  assert.equal(toHex(toBigEndian(rawOffset(seed, 1, 0))), golden["light.offset"]);
  const now = network.genesis.time + 10_000_000;
  const request = { tip: bytes("header.id"), random: repeat(2), samples: 56 };
  const tip = checkLightProof(network, request, decodeLightProof(bytes("light_proof.1")), now);
  assert.equal(tip.work, 2n);
  const proof = decodeTransactionProof(bytes("transaction_proof.1"));
  assert.equal(checkTransactionProof(network, proof, tip).confirmations, 1);
});

test("the light proof of a longer chain, made and checked here", () => {
  const chain = new Chain(network, { beneficiary: bytes("key.3"), frozen: true }).grow(700);
  const proof = chain.lightProof(repeat(2));
  assert.equal(proof.length.toString(), golden["light_proof.700.length"]);
  assert.equal(toHex(sha256(proof)), golden["light_proof.700.sha256"]);
  const request = { tip: chain.tip.id, random: repeat(2), samples: 56 };
  const tip = checkLightProof(network, request, decodeLightProof(proof), chain.tip.time);
  assert.equal(tip.work, chain.work);
  assert.ok(tip.samples > 0);
});
