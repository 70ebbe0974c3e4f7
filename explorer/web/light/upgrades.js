// Rules that begin at a height: docs/protocol.md, 8.1. To a light client an upgrade is the version of headers from
// there on; the rules of headers and of difficulty never change.

import { Reader, concat, u64, utf8 } from "./bytes.js";
import { demand } from "./errors.js";
import { tagged } from "./sha256.js";

const rulesHash = tagged("cairn/rules");
const MAX_UPGRADES = 256;

/**
 * @typedef {object} Upgrade what is not changed is undefined
 * @property {bigint} height @property {string} name
 * @property {bigint} [maxBlockBytes] @property {bigint} [maxNewAccounts] @property {bigint} [accountPrice]
 * @property {string} [feature]
 */

/**
 * Reads upgrades, one after the other, each as it is hashed.
 * @param {Uint8Array} bytes
 * @returns {Upgrade[]}
 */
export function readUpgrades(bytes) {
  const reader = new Reader(bytes, "list of upgrades");
  const text = (most) => String.fromCharCode(...reader.take(reader.count("bytes", 1, most)));
  const number = () => {
    const length = reader.count("bytes", 1, 8);
    demand(length === 0 || length === 8, () => `a number of ${length} bytes in the list of upgrades`, "decode");
    return length ? reader.u64() : undefined;
  };
  const upgrades = [];
  while (reader.left) {
    demand(upgrades.length < MAX_UPGRADES, () => `got more than ${MAX_UPGRADES} upgrades`, "decode");
    const [height, name] = [reader.u64(), text(32)];
    const [maxBlockBytes, maxNewAccounts, accountPrice] = [number(), number(), number()];
    upgrades.push({ height, name, maxBlockBytes, maxNewAccounts, accountPrice, feature: text(32) || undefined });
  }
  return upgrades;
}

/** @param {{maxBlockBytes?: bigint, maxNewAccounts?: bigint, accountPrice?: bigint}} rules @returns {boolean} */
export function inBounds({ maxBlockBytes = 42_000n, maxNewAccounts = 1024n, accountPrice = 0n }) {
  return (
    maxNewAccounts >= 1024n && 42_000n <= maxBlockBytes && maxBlockBytes <= 3n << 20n && accountPrice <= 1n << 43n
  );
}

/** @param {Upgrade[]} upgrades refuses a list that no network may have */
export function checkUpgrades(upgrades) {
  let before = 2n;
  for (const upgrade of upgrades) {
    const { height, name, maxBlockBytes, maxNewAccounts, accountPrice, feature } = upgrade;
    const say = (what) => () => `the upgrade at height ${height}: ${what}`;
    demand(height > before, say("heights have to be at least 3 and to rise"));
    demand(/^[a-z0-9-]{1,32}$/.test(name), say("the name is not 1 to 32 lower-case letters, digits or hyphens"));
    demand(
      [maxBlockBytes, maxNewAccounts, accountPrice].some((value) => value !== undefined),
      say("it changes nothing"),
    );
    demand(inBounds(upgrade), say("a bound of blocks or the price of accounts is out of range"));
    demand(feature === undefined, say("this page knows no such feature"));
    before = height;
  }
}

/**
 * The versions of headers: each with the height from which on it is demanded.
 * @param {Uint8Array} genesisId
 * @param {Upgrade[]} upgrades
 * @returns {{from: bigint, version: number}[]}
 */
export function versionsOf(genesisId, upgrades) {
  const field = (value = "") => {
    const bytes = typeof value === "string" ? utf8(value) : u64(value);
    return concat(u64(bytes.length), bytes);
  };
  let known = genesisId;
  return upgrades.map(({ height, name, maxBlockBytes, maxNewAccounts, accountPrice, feature }) => {
    const fields = [name, maxBlockBytes, maxNewAccounts, accountPrice, feature].map((value) => field(value));
    known = concat(known, u64(height), ...fields);
    const id = rulesHash(known);
    return { from: height, version: Math.max(2, id[0] + 256 * id[1]) };
  });
}
