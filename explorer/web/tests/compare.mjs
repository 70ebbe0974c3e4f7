// Judges what cairn-vectors writes, and ends at the first difference from the ledger's verdict: a third reader of
// docs/protocol.md beside the ledger and tests/spec. Lines about executing blocks are not this client's to judge.
//
//   cairn-vectors SEED BLOCKS PROOFS | node explorer/web/tests/compare.mjs

import { createInterface } from "node:readline";
import { readAddress } from "../light/address.js";
import { checkAccount } from "../light/accounts.js";
import { fromHex, toHex } from "../light/bytes.js";
import { DifficultyBounds } from "../light/difficulty_bounds.js";
import { ProofError } from "../light/errors.js";
import { checkLightProof, decodeLightProof } from "../light/light_proof.js";
import { makeNetwork, readParams } from "../light/network.js";
import { checkReceipt, decodeReceipt } from "../light/receipt.js";
import { LIMIT, decodeTarget, showTarget, stepTarget, work } from "../light/targets.js";
import { readUpgrades } from "../light/upgrades.js";

const unhex = (word) => (word === "-" ? new Uint8Array(0) : fromHex(word, "word", 0, 1 << 26));
let network;

/** A verdict, or the name of what speaks against one. */
function refusal(judge) {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return error.rule === "decode" ? "decode" : "refused";
  }
}

const judges = {
  network: [
    2,
    (params, upgrades) => {
      network = makeNetwork(readParams(unhex(params)), readUpgrades(unhex(upgrades)));
      return toHex(network.genesis.raw);
    },
  ],
  refused: [
    2,
    (params, upgrades) =>
      refusal(() => {
        return `accepted ${makeNetwork(readParams(unhex(params)), readUpgrades(unhex(upgrades))).genesisId}`;
      }),
  ],
  account: [
    3,
    (root, address, proof) =>
      refusal(() => {
        const account = checkAccount(unhex(proof), unhex(address), unhex(root));
        return account ? `account ${account.balance} ${account.nonce}` : "absent";
      }),
  ],
  compact: [
    1,
    (bits) => {
      const target = decodeTarget(Number(bits));
      return target === null ? "refused" : String(work(target));
    },
  ],
  next: [
    5,
    (interval, halfLife, limit, target, gap) => {
      const rules = { intervalMs: BigInt(interval), halfLifeMs: BigInt(halfLife) };
      rules.powLimitValue = decodeTarget(Number.parseInt(limit, 16));
      return showTarget(stepTarget(rules, Number.parseInt(target, 16), BigInt(gap)));
    },
  ],
  light: [
    4,
    (tip, random, now, proof) =>
      refusal(() => {
        const samples = /^0*$/.test(random) ? 96 : 56;
        const request = { tip: unhex(tip), random: unhex(random), samples };
        const verified = checkLightProof(network, request, decodeLightProof(unhex(proof)), Number(now));
        const { header, buried } = verified.settled();
        return `valid ${verified.work} ${buried ? header.height : "-"}`;
      }),
  ],
  receipt: [
    2,
    (now, data) =>
      refusal(() => {
        const { tip, place } = checkReceipt(network, decodeReceipt(unhex(data)), Number(now));
        const { header, confirmations, workAbove } = place;
        return `valid ${toHex(header.id)} ${header.height} ${confirmations} ${tip.work} ${workAbove}`;
      }),
  ],
  tile: [
    4,
    (first, next, blocks, time) =>
      refusal(() => {
        const [a, b] = [first, next].map((bits) => Number.parseInt(bits, 16));
        const bounds = new DifficultyBounds(network).of(a, b, BigInt(blocks), BigInt(time));
        return bounds.work < LIMIT ? `${bounds.work} ${bounds.easier} ${bounds.harder}` : "refused";
      }),
  ],
  address: [
    2,
    (prefix, text) =>
      refusal(() => {
        return toHex(readAddress(new TextDecoder().decode(unhex(text)), prefix).bytes);
      }),
  ],
};

/** Where the ledger names a rule, or a reading of nothing, this client says that it refuses. */
function same(kind, got, expected) {
  if (got === expected) return true;
  if (kind === "refused") return got === "refused" || got === "decode";
  if (kind === "address") return expected === "refused" && got === "decode";
  return kind === "account" && !/^(account|absent)/.test(expected) && (got === "refused" || got === "decode");
}

const seen = new Map();
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const [kind, ...words] = line.split(" ");
  if (!Object.hasOwn(judges, kind)) continue;
  const [asked, judge] = judges[kind];
  const [got, expected] = [judge(...words.slice(0, asked)), words.slice(asked).join(" ")];
  if (!same(kind, got, expected)) {
    console.error(`The ledger and the page differ:\n${line.slice(0, 2000)}\nledger: ${expected}\npage:   ${got}`);
    process.exit(1);
  }
  const verdict = ["account", "light", "receipt"].includes(kind) ? expected.split(" ")[0] : "";
  const name = `${kind} ${verdict}`;
  seen.set(name, (seen.get(name) ?? 0) + 1);
}
for (const [name, count] of [...seen].sort()) console.log(`${String(count).padStart(8)} ${name}`);
