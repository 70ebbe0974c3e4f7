// Attacks on the proof of a chain: each is refused for its own reason, beside the honest proof that it resembles.

import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toHex, u64 } from "../light/bytes.js";
import { headerId } from "../light/header.js";
import { checkLightProof, decodeLightProof } from "../light/light_proof.js";
import { Chain, easyNetwork, encodeProof, mineHeader } from "./support/chain.mjs";
import { key } from "./support/keys.mjs";
import { GENESIS_TIME } from "./support/scene.mjs";
import { RANDOM, judge, refused } from "./support/judge.mjs";
import { long, honest, start, parts } from "./support/long.mjs";

test("the honest proof holds, and samples are really taken", () => {
  const tip = judge(long, honest);
  assert.equal(tip.work, long.work);
  assert.ok(tip.samples >= 56);
});

test("attack: a tip that nobody worked for", () => {
  const fake = long.clone();
  fake.mine([], 2000, { work: false, beneficiary: key(3).address });
  for (let i = 0; toHex(fake.tip.id) < "8"; i += 1) {
    Object.assign(fake, long.clone());
    fake.mine([], 2001 + i, { work: false });
  }
  refused(() => judge(fake, fake.lightProof(RANDOM)), /does not meet its target/);
});

/** A young chain with one more block on it, some of whose fields are lies; it has work all the same. */
function withChild(chain, change) {
  const { tip, network, history } = chain;
  const header = mineHeader({
    height: tip.height + 1,
    parent: tip.id,
    time: tip.time + 2000,
    target: history.last.nextTarget,
    beneficiary: key(9).address,
    txs: tip.txsRoot,
    state: tip.stateRoot,
    history: history.root(),
    ...change,
  });
  const tail = [...chain.headers.map((each) => each.raw), header.raw];
  const request = { tip: header.id, random: RANDOM, samples: 56 };
  return () =>
    checkLightProof(
      network,
      request,
      decodeLightProof(encodeProof({ tail, opened: [], nodes: [] })),
      tip.time + 2000,
    );
}

test("attack: an easier target than the rule demands", () => {
  const chain = new Chain(easyNetwork(GENESIS_TIME, { genesisTarget: 0x203fffff }), { frozen: true }).grow(5);
  assert.equal(withChild(chain, {})().work, chain.work + 4n);
  refused(withChild(chain, { target: 0x207fffff }), /has the target 207fffff, expected 203f/);
  refused(withChild(chain, { target: 0x201fffff }), /has the target 201fffff, expected 203f/);
});

test("attack: a target above the network's limit, or in another form", () => {
  const chain = new Chain(easyNetwork(GENESIS_TIME, { powLimit: 0x203fffff, genesisTarget: 0x203fffff }), {
    frozen: true,
  });
  refused(withChild(chain, { target: 0x207fffff }), /expected at most 203fffff/);
  refused(withChild(chain, { target: 0x21003fff, work: false }), /not in normal form/);
});

test("attack: another height, parent or history than the chain's", () => {
  const chain = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(5);
  refused(withChild(chain, { parent: chain.headers[4].id }), /has the parent/);
  refused(withChild(chain, { history: chain.headers[5].historyRoot }), /commits to another history/);
  refused(withChild(chain, { height: 7 }), /tail of/);
  const middle = chain.clone();
  middle.mine([], 2000, { height: 9 });
  middle.mine([], 2000, { height: 7 });
  refused(() => judge(middle, middle.lightProof(RANDOM)), /got height 9 after block 5/);
});

test("attack: a chain of another block 0", () => {
  const other = new Chain(easyNetwork(GENESIS_TIME + 1), { frozen: true }).grow(20);
  refused(
    () =>
      checkLightProof(
        easyNetwork(GENESIS_TIME),
        { tip: other.tip.id, random: RANDOM, samples: 56 },
        decodeLightProof(other.lightProof(RANDOM)),
        other.tip.time,
      ),
    /block 0 is/,
  );
});

test("attack: a proof of another tip, or one that was made before the random bytes were drawn", () => {
  refused(() => judge(long, honest, { tip: long.headers[1499].id }), /it ends with/);
  refused(
    () => judge(long, honest, { random: new Uint8Array(32).fill(4) }),
    /the block at the work \d+ is not opened/,
  );
});

test("attack: blocks left out, added, doubled or moved", () => {
  const drop = (list, place) => list.splice(place, 1);
  refused(
    () =>
      judge(
        long,
        parts(({ opened }) => drop(opened, 4)),
      ),
    /nodes|not opened|history/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ opened }) => opened.splice(4, 0, opened[4])),
      ),
    /out of order/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ opened }) => opened.reverse()),
      ),
    /out of order|history|need/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ nodes }) => nodes.pop()),
      ),
    /nodes/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ nodes }) => nodes.push(nodes[0])),
      ),
    /nodes, expected/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ tail }) => drop(tail, 0)),
      ),
    /tail of/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ tail }) => drop(tail, 9)),
      ),
    /tail of/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ tail }) => tail.splice(0)),
      ),
    /no headers/,
  );
  refused(
    () =>
      judge(
        long,
        parts(({ opened }) => opened.push(long.headers[start].raw)),
      ),
    /out of order/,
  );
  const young = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(30);
  refused(
    () =>
      judge(
        young,
        parts(({ opened }) => opened.push(young.headers[3].raw), young),
      ),
    /without history/,
  );
});

test("attack: a block opened that no sample asks for, to choose what is looked at", () => {
  const opened = decodeLightProof(honest).opened.map((header) => header.height);
  const free = Array.from({ length: start }, (_, height) => height).find(
    (height) => height > 3 && !opened.includes(height),
  );
  const more = [...opened, free].sort((a, b) => a - b);
  refused(() => judge(long, long.assemble(start, more)), /no sample needs it/);
  refused(
    () =>
      judge(
        long,
        long.assemble(
          start,
          opened.filter((height) => height !== opened[5]),
        ),
      ),
    /not opened/,
  );
});

test("attack: the two blocks before a sample left out", () => {
  const opened = decodeLightProof(honest).opened.map((header) => header.height);
  // The first of a run of three is opened for the sake of the sample after it alone.
  const first = opened.find((height, place) => opened[place - 1] !== height - 1 && opened[place + 2] === height + 2);
  refused(
    () =>
      judge(
        long,
        long.assemble(
          start,
          opened.filter((height) => height !== first),
        ),
      ),
    /not opened, and a sample needs it/,
  );
});

test("attack: a fresh block that commits to another history", () => {
  const lies = long.clone();
  lies.mine([], 2000, {
    history: long.history
      .clone()
      .root()
      .map((byte) => byte ^ 1),
  });
  refused(() => judge(lies, lies.lightProof(RANDOM)), /commits to another history/);
  const old = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(20);
  // Deep in the chain: all blocks after it are honest about it, and samples open it.
  old.mine([], 2000, { history: new Uint8Array(32).fill(9) });
  old.grow(600);
  const all = Array.from({ length: 600 }, (_, place) => place).filter(
    (height) => height > 0 && height < old.height - 512,
  );
  refused(() => judge(old, old.assemble(old.height - 512, all)), /commits to another history than the one shown/);
});

test("attack: an opened block that is nobody's child", () => {
  const chain = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(20);
  chain.mine([], 2000, { parent: new Uint8Array(32).fill(9) });
  chain.grow(600);
  const all = Array.from({ length: chain.height - 512 }, (_, height) => height).slice(1);
  refused(() => judge(chain, chain.assemble(chain.height - 512, all)), /has the parent 0909/);
  const tail = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(20);
  tail.mine([], 2000, { parent: new Uint8Array(32).fill(9) });
  refused(() => judge(tail, tail.lightProof(RANDOM)), /has the parent 0909/);
});

test("attack: a block without a beneficiary, from the future, or that is not later than its parent", () => {
  const chain = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(3);
  const nobody = chain.clone();
  nobody.mine([], 2000, { beneficiary: new Uint8Array(32) });
  refused(() => judge(nobody, nobody.lightProof(RANDOM)), /no beneficiary/);
  assert.throws(
    () => judge(chain, chain.lightProof(RANDOM), { now: chain.tip.time - 5001 }),
    (error) => error.kind === "early",
  );
  judge(chain, chain.lightProof(RANDOM), { now: chain.tip.time - 5000 });
  const backward = chain.clone();
  const fields = {
    height: 4,
    parent: chain.tip.id,
    time: chain.tip.time,
    target: 0x207fffff,
    beneficiary: key(9).address,
    txs: chain.tip.txsRoot,
    state: chain.tip.stateRoot,
    history: chain.history.root(),
  };
  backward.headers.push(mineHeader(fields));
  const proof = encodeProof({ tail: backward.headers.map((each) => each.raw), opened: [], nodes: [] });
  refused(() => judge(backward, proof), /not later than its parent/);
});

/** A proof that opens every block of the history of a chain. */
function openAll(chain) {
  const from = chain.height - 512;
  const all = Array.from({ length: from }, (_, height) => height).slice(1);
  return () => judge(chain, chain.assemble(from, all));
}

test("attack: a deep block that nobody worked for, or of other rules", () => {
  const network = easyNetwork(GENESIS_TIME);
  const deep = (change) => {
    const chain = new Chain(network, { frozen: true }).grow(5);
    chain.mine([], 2000, change);
    return openAll(chain.grow(520));
  };
  // Of two headers on a network this easy one has no work: the first beneficiary that has none is taken.
  const lazy = [1, 2, 3, 4, 5, 6, 7, 8].map((secret) => ({ work: false, beneficiary: key(secret).address }));
  const outcomes = lazy.map((change) => {
    try {
      deep(change)();
      return "";
    } catch (error) {
      return error.message;
    }
  });
  assert.ok(
    outcomes.some((message) => /block 6 does not meet its target/.test(message)),
    outcomes.join("; "),
  );
  refused(deep({ beneficiary: new Uint8Array(32) }), /block 6 has no beneficiary/);
  refused(deep({ version: 9 }), /block 6 has version 9, expected 1/);
  assert.ok(deep({})().samples > 0, "the control");
});

test("attack: heights beyond what numbers hold", () => {
  for (const height of [2n ** 53n, 2n ** 63n + 6144n, 2n ** 64n - 1n]) {
    const raw = long.tip.raw.slice();
    raw.set(u64(height), 2);
    const proof = encodeProof({ tail: [raw], opened: [], nodes: [] });
    refused(() => judge(long, proof, { tip: headerId(raw) }), /expected less than 2\^53/);
  }
});

test("attack: headers after a tip that was kept which lead elsewhere than was said", () => {
  const chain = new Chain(easyNetwork(GENESIS_TIME), { frozen: true }).grow(20);
  const kept = judge(chain, chain.lightProof(RANDOM));
  const tip = chain.grow(3).tip.id;
  const raw = (from, to) => concat(...chain.headers.slice(from, to).map((header) => header.raw));
  const extend = (bytes) => kept.extend(chain.network, tip, bytes, chain.tip.time);
  assert.equal(extend(raw(21, 24)).work, chain.work);
  refused(() => extend(raw(21, 23)), /the headers end with/);
  refused(() => extend(new Uint8Array(0)), /the headers end with/);
  refused(() => extend(raw(22, 24)), /has the parent/);
  refused(() => extend(raw(21, 24).subarray(1)), /bytes of headers/);
});

/** The block that accounts are read from, by the words of the protocol. */
function settledHeight(chain) {
  const mean = chain.work / BigInt(chain.height);
  const fits = ({ height }) => {
    const above = chain.leaves.slice(height + 1);
    const own = chain.leaves[height].work;
    return above.length >= 6 && above.reduce((sum, leaf) => sum + leaf.work, 0n) >= 6n * (own > mean ? own : mean);
  };
  return chain.headers.filter(fits).pop()?.height;
}

test("accounts are read from under enough blocks and enough work", () => {
  const network = easyNetwork(GENESIS_TIME, { genesisTarget: 0x2000ffff });
  const settled = (chain) => judge(chain, chain.lightProof(RANDOM)).settled();
  // Difficulty rises so fast that five blocks have six times the work of the one below them, and five are too few.
  const rising = new Chain(network, { frozen: true }).grow(20, 1);
  assert.equal(settledHeight(rising), 14);
  assert.deepEqual([settled(rising).header.height, settled(rising).buried], [14, true]);
  // It falls so fast that six blocks are worth less than one of those below.
  const falling = new Chain(network, { frozen: true }).grow(20).grow(8, 200_000);
  assert.ok(settledHeight(falling) < falling.height - 8);
  assert.deepEqual([settled(falling).header.height, settled(falling).buried], [settledHeight(falling), true]);
  // Where there is none, the tip of a chain so short is read, and said to be under too little.
  const young = new Chain(network, { frozen: true }).grow(4);
  assert.deepEqual([settled(young).header.height, settled(young).buried], [4, false]);
});
