// Attacks by trees of blocks that nobody opens, and by places in a history: docs/protocol.md, 10.3 and 6.3.

import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toBigEndian, u32, u64 } from "../light/bytes.js";
import { DifficultyBounds } from "../light/difficulty_bounds.js";
import { History, checkPlace, leafOf, merge, readNode } from "../light/history.js";
import { checkLightProof, decodeLightProof } from "../light/light_proof.js";
import { workOf } from "../light/targets.js";
import { Chain, easyNetwork, encodeProof, mineHeader } from "./support/chain.mjs";
import { GENESIS_TIME } from "./support/scene.mjs";
import { RANDOM, judge, refused } from "./support/judge.mjs";
import { long, honest, parts, changed } from "./support/long.mjs";

test("attack: work, time and targets made up in a tree that nobody opens", () => {
  const { nodes } = decodeLightProof(honest);
  const big = nodes.findIndex((each) => each.work >= 16n);
  assert.ok(big >= 0);
  const old = nodes[big];
  const lie = (fields) => () =>
    judge(
      long,
      parts(({ nodes: list }) => {
        list[big] = changed(list[big], fields);
      }),
    );
  refused(lie({ work: 1n }), /its targets need at least/);
  refused(lie({ work: old.work + 1000n }), /history|is not opened|commits/);
  refused(lie({ work: 2n ** 256n - 1n }), /256 bits/);
  refused(lie({ lastTime: old.lastTime + 1 }), /history|commits|demands/);
  refused(lie({ lastTime: GENESIS_TIME }), /takes|later/);
  refused(lie({ firstTarget: old.firstTarget - 1, work: 40n }), /^block \d+ has the target/);
  refused(lie({ firstTarget: 0x21003fff }), /normal form/);
  refused(lie({ nextTarget: 0x1d00ffff }), /need at least|harder/);
  const one = nodes.findIndex((each) => each.work === 2n);
  const single = (fields) => () =>
    judge(
      long,
      parts(({ nodes: list }) => {
        list[one] = changed(list[one], fields);
      }),
    );
  refused(single({ work: 3n }), /claims 3 hashes of work, expected 2/);
  refused(single({ nextTarget: 0x203fffff }), /demands the target 203fffff after it/);
  refused(single({ lastTime: GENESIS_TIME }), /is not later than the one before it/);
});

test("attack: difficulty that falls without time, and rises without blocks", () => {
  const network = easyNetwork(GENESIS_TIME, { powLimit: 0x207fffff, genesisTarget: 0x1f00ffff });
  const leaf = leafOf(network.genesis, 0n, network.genesisTarget);
  const tree = (fields) => {
    const { work, lastTime, firstTarget = 0x1f00ffff, nextTarget } = fields;
    return concat(new Uint8Array(32).fill(7), toBigEndian(work), u64(lastTime), u32(firstTarget), u32(nextTarget));
  };
  // Blocks 2 and 3, under block 1, which is honest; the tail is not reached.
  const chain = new Chain(network, { frozen: true });
  const first = leafOf(mineLike(chain), workOf(0x1f00ffff), 0x1f00ffff);
  const proof = (node) => encodeProof({ tail: tailOf(516), opened: [], nodes: [first.raw, node] });
  const tip = decodeLightProof(proof(tree({ work: 0n, lastTime: 0, nextTarget: 0 }))).tail[512].id;
  const attempt = (fields) => () =>
    checkLightProof(
      network,
      { tip, random: RANDOM, samples: 56 },
      decodeLightProof(proof(tree({ lastTime: first.lastTime + 4000, ...fields }))),
      GENESIS_TIME,
    );
  const own = 2n * workOf(0x1f00ffff);
  refused(attempt({ work: own, nextTarget: 0x1f01ffff }), /grows easier by/);
  refused(attempt({ work: 8n * own, nextTarget: 0x1e3fffff }), /grows harder by/);
  refused(attempt({ work: 5n, nextTarget: 0x1f00ffff }), /need at least/);
  refused(
    attempt({ work: own, nextTarget: 0x1f00ffff, lastTime: first.lastTime + 1 }),
    /takes 1 ms, expected at least 2/,
  );
  // The control: such a tree is plausible, and what is refused comes after it.
  refused(attempt({ work: own, nextTarget: 0x1f00ffff }), /nodes|not opened/);
  assert.equal(leaf.work, 0n);
});

/** Headers of heights that make a tail; they are never looked at. */
function tailOf(height) {
  return Array.from({ length: 513 }, (_, place) => {
    const zero = new Uint8Array(32);
    return concat(
      Uint8Array.of(1, 0),
      u64(height - 512 + place),
      zero,
      u64(0),
      u32(0),
      zero,
      zero,
      zero,
      zero,
      u64(place),
    );
  });
}

/** A first block that nobody has to mine: only its leaf is shown. */
function mineLike(chain) {
  const { network } = chain;
  const zero = new Uint8Array(32);
  return mineHeader({
    height: 1,
    parent: zero,
    time: network.genesis.time + 2000,
    target: 0x1f00ffff,
    beneficiary: zero,
    txs: zero,
    state: zero,
    history: zero,
    work: false,
  });
}

test("attack: a tree with targets above the network's limit", () => {
  const network = easyNetwork(GENESIS_TIME, { powLimit: 0x203fffff, genesisTarget: 0x203fffff });
  const bounds = new DifficultyBounds(network);
  const tree = (firstTarget, nextTarget) => () => {
    const node = { work: 1000n, lastTime: GENESIS_TIME + 60_000, firstTarget, nextTarget };
    bounds.check(node, 2, 2, GENESIS_TIME);
  };
  tree(0x203fffff, 0x203fffff)();
  refused(tree(0x207fffff, 0x203fffff), /above the network's limit/);
  refused(tree(0x203fffff, 0x207fffff), /above the network's limit/);
});

test("attack: parts of a history that do not go on from each other", () => {
  const [first, second] = [long.leaves[4], long.leaves[5]];
  assert.equal(merge(first, second).work, 4n);
  refused(() => merge(second, first), /ends at/);
  refused(() => merge(first, first), /ends at/);
  refused(() => merge(first, { ...second, firstTarget: 0x203fffff }), /begins with the target 203fffff/);
});

test("attack: a place in a history that is not there", () => {
  const history = new History();
  const leaves = long.leaves.slice(0, 5);
  leaves.forEach((leaf) => history.append(leaf));
  const siblings = [long.node(0, 4)];
  assert.equal(checkPlace(leaves[4], 4, siblings, 5, history.root()), long.node(0, 4).work);
  refused(() => checkPlace(leaves[4], 5, siblings, 5, history.root()), /block 5 is not below block 5/);
  refused(() => checkPlace(leaves[4], 4, [], 5, history.root()), /got 0 nodes/);
  refused(() => checkPlace(leaves[4], 4, [...siblings, leaves[4]], 5, history.root()), /got 2 nodes/);
  refused(
    () => checkPlace(leaves[3], 4, siblings, 5, history.root()),
    /joins|leads to another history|has the target|ends at/,
  );
});

test("attack: work that does not fit 256 bits", () => {
  const history = new History();
  const leaf = (i, work) =>
    readNode(concat(new Uint8Array(32), toBigEndian(work), u64(i), u32(0x207fffff), u32(0x207fffff)));
  history.append(leaf(0, 2n ** 255n));
  refused(() => history.append(leaf(1, 2n ** 255n)), /256 bits/);
});
