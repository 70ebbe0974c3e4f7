// A network: its parameters, block 0 and genesis id (docs/protocol.md, chapter 8), and the versions of its upgrades
// (8.1). The genesis id binds every parameter, so parameters from anywhere may be used once they lead to the trusted
// id.

import { Reader, compare, concat, equal, isZero, toHex, u32, u64, utf8 } from "./bytes.js";
import { demand } from "./errors.js";
import { headerId, readHeader } from "./header.js";
import { leafOf } from "./history.js";
import { txsRoot } from "./merkle.js";
import { stateRootOf } from "./accounts.js";
import { isOnCurve } from "./secp256k1.js";
import { tagged } from "./sha256.js";
import { decodeTarget, showTarget } from "./targets.js";
import { checkUpgrades, inBounds, versionsOf } from "./upgrades.js";

/** The most money that ever exists, in pebbles. */
export const MAX_AMOUNT = 2n ** 53n - 1n;
const chainHash = tagged("cairn/chain");
/** The numbers of the parameters, in the order in which they are hashed. */
export const NUMBERS = [
  "intervalMs",
  "halfLifeMs",
  "maxFutureMs",
  "maxBlockBytes",
  "maxNewAccounts",
  "accountPrice",
  "subsidy",
  "halving",
  "genesisTime",
];

/**
 * @typedef {object} Params
 * @property {string} name @property {string} prefix of addresses
 * @property {bigint} intervalMs @property {bigint} halfLifeMs @property {bigint} maxFutureMs
 * @property {bigint} maxBlockBytes @property {bigint} maxNewAccounts @property {bigint} accountPrice
 * @property {bigint} subsidy @property {bigint} halving @property {bigint} genesisTime
 * @property {number} powLimit @property {number} genesisTarget
 * @property {{address: Uint8Array, amount: bigint}[]} allocations
 */

/** @param {Params} params @returns {Uint8Array} their one encoding */
export function encodeParams(params) {
  const text = (value) => concat(u64(utf8(value).length), utf8(value));
  const numbers = NUMBERS.map((name) => u64(params[name]));
  const allocations = params.allocations.map(({ address, amount }) => concat(address, u64(amount)));
  return concat(
    text(params.name),
    text(params.prefix),
    ...numbers,
    u32(params.powLimit),
    u32(params.genesisTarget),
    u64(allocations.length),
    ...allocations,
  );
}

/** @param {Uint8Array} bytes @returns {Params} */
export function readParams(bytes) {
  const reader = new Reader(bytes, "network");
  const text = (most) => String.fromCharCode(...reader.take(reader.count("characters", 1, most)));
  const params = { name: text(32), prefix: text(16) };
  for (const name of NUMBERS) params[name] = reader.u64();
  params.powLimit = reader.u32();
  params.genesisTarget = reader.u32();
  const count = reader.count("allocations", 40);
  params.allocations = Array.from({ length: count }, () => ({ address: reader.take(32), amount: reader.u64() }));
  reader.end();
  return params;
}

/** What is issued as subsidies from the first block on, at most. */
function issued({ subsidy, halving }) {
  let sum = 0n;
  for (let k = 0n; k < 64n && subsidy >> k > 0n && sum <= MAX_AMOUNT; k += 1n) sum += (subsidy >> k) * halving;
  // Block 0 has none.
  return sum - subsidy;
}

/** Refuses parameters that no network may have. */
function checkParams(params) {
  const say = (what) => () => `the network's parameters: ${what}`;
  const { intervalMs, halfLifeMs, halving, allocations } = params;
  demand(/^[a-z0-9-]{1,32}$/.test(params.name), say("the name is not 1 to 32 lower-case letters, digits or hyphens"));
  demand(/^[a-z][a-z0-9]{0,15}$/.test(params.prefix), say("the prefix is not 1 to 16 lower-case letters or digits"));
  demand(
    intervalMs >= 1n && 2n * intervalMs <= halfLifeMs && halfLifeMs <= 1024n * intervalMs,
    say(`got an interval of ${intervalMs} ms and a half-life of ${halfLifeMs} ms, expected 2 to 1024 intervals`),
  );
  demand(halving >= 1n, say("the halving is 0"));
  const [limit, first] = [decodeTarget(params.powLimit), decodeTarget(params.genesisTarget)];
  demand(
    limit !== null && first !== null && first <= limit && limit < 1n << 255n,
    say(`got the targets ${showTarget(params.powLimit)} and ${showTarget(params.genesisTarget)}`),
  );
  demand(inBounds(params), say("a bound of blocks or the price of accounts is out of range"));
  let money = issued(params);
  allocations.forEach(({ address, amount }, place) => {
    demand(place === 0 || compare(allocations[place - 1].address, address) < 0, say("the allocations do not ascend"));
    demand(!isZero(address) && isOnCurve(address), say("an allocation's address is no public key"));
    demand(amount >= 1n, say("an allocation is of nothing"));
    money += amount;
  });
  demand(money <= MAX_AMOUNT, say("allocations and subsidies are more than 2^53 - 1 pebbles"));
}

/** The bytes of block 0's header. */
function genesisHeader(params) {
  return concat(
    Uint8Array.of(1, 0),
    u64(0),
    chainHash(encodeParams(params)),
    u64(params.genesisTime),
    u32(params.genesisTarget),
    new Uint8Array(32),
    txsRoot([]),
    stateRootOf(params.allocations),
    new Uint8Array(32),
    u64(0),
  );
}

/**
 * The network of some parameters; refuses those that make none.
 * @param {Params} params
 * @param {import("./upgrades.js").Upgrade[]} [upgrades]
 */
export function makeNetwork(params, upgrades = []) {
  checkParams(params);
  const raw = genesisHeader(params);
  const genesis = readHeader(raw);
  checkUpgrades(upgrades);
  const steps = versionsOf(genesis.id, upgrades);
  const versionAt = (height) => steps.reduce((last, step) => (BigInt(height) >= step.from ? step.version : last), 1);
  return {
    ...params,
    params,
    upgrades,
    powLimitValue: decodeTarget(params.powLimit),
    genesis,
    genesisId: toHex(headerId(raw)),
    genesisLeaf: leafOf(genesis, 0n, params.genesisTarget),
    versionAt,
  };
}

/**
 * The network of parameters that somebody gave, if they lead to the id that is trusted.
 * @param {Uint8Array} bytes
 * @param {string} genesisId in hex
 * @param {import("./upgrades.js").Upgrade[]} [upgrades]
 */
export function networkOf(bytes, genesisId, upgrades = []) {
  const network = makeNetwork(readParams(bytes), upgrades);
  demand(
    network.genesisId === genesisId,
    () => {
      return `got parameters of the network ${network.genesisId}, expected those of ${genesisId}`;
    },
    "genesis",
  );
  return network;
}

/** @param {object} network @param {Uint8Array} id @returns {boolean} whether it is block 0's */
export const isGenesis = (network, id) => equal(network.genesis.id, id);
