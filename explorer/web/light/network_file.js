// A network's file, as in genesis/: the few kinds of lines of TOML that such a file has, and nothing beyond them.

import { readAddress } from "./address.js";
import { ProofError, unreadable } from "./errors.js";
import { makeNetwork } from "./network.js";
import { readAmount } from "./text.js";

/** The longest file that is looked at. */
export const MAX_NETWORK_FILE = 1 << 20;
const U64 = 2n ** 64n;

const NUMBERS = {
  interval_ms: "intervalMs",
  half_life_ms: "halfLifeMs",
  max_future_ms: "maxFutureMs",
  max_block_bytes: "maxBlockBytes",
  max_new_accounts: "maxNewAccounts",
  halving: "halving",
  genesis_time: "genesisTime",
};
const AMOUNTS = { account_price: "accountPrice", subsidy: "subsidy" };
const TARGETS = { pow_limit: "powLimit", genesis_target: "genesisTarget" };
const TEXTS = { name: "name", prefix: "prefix" };

/** A value: a string without escapes, an integer, `true`, `false` or a list, of which only `[]` has a meaning here. */
function readValue(text) {
  const string = /^"([^"\\\u0000-\u001f]*)"/.exec(text);
  if (string) return [string[1], text.slice(string[0].length)];
  const number = /^[0-9][0-9_]{0,30}/.exec(text);
  if (number) return [BigInt(number[0].replaceAll("_", "")), text.slice(number[0].length)];
  const other = /^(true|false|\[[^\]#]*\])/.exec(text);
  if (other) return [null, text.slice(other[0].length)];
  throw unreadable("expected a string, a whole number, true, false or a list");
}

/** The tables of a file, in order: the first has no name. */
function readTables(text) {
  const tables = [{ name: "", fields: new Map() }];
  text.split(/\r?\n/).forEach((line, place) => {
    const content = line.trim();
    if (!content || content.startsWith("#")) return;
    try {
      readLine(tables, content);
    } catch (error) {
      if (error instanceof ProofError) error.message = `line ${place + 1} of the network's file: ${error.message}`;
      throw error;
    }
  });
  return tables;
}

function readLine(tables, content) {
  const table = /^\[(\[)?([a-z]+)\]\]?\s*(#.*)?$/.exec(content);
  if (table) {
    tables.push({ name: table[2], fields: new Map() });
    return;
  }
  const pair = /^([a-z0-9_]+)\s*=\s*(.*)$/.exec(content);
  if (!pair) throw unreadable("expected name = value, or a table such as [[allocations]]");
  const [value, rest] = readValue(pair[2]);
  if (!/^\s*(#.*)?$/.test(rest)) throw unreadable("there is something behind the value");
  const { fields } = tables[tables.length - 1];
  if (fields.has(pair[1])) throw unreadable(`the field ${pair[1]} is there twice`);
  fields.set(pair[1], value);
}

function number(value, name) {
  if (typeof value !== "bigint" || value >= U64) throw unreadable(`the field ${name} is missing or no whole number`);
  return value;
}

function string(value, name) {
  if (typeof value !== "string") throw unreadable(`the field ${name} is missing or no string`);
  return value;
}

function target(value, name) {
  if (!/^[0-9a-f]{8}$/.test(string(value, name))) throw unreadable(`the field ${name} is no target of 8 hex digits`);
  return Number.parseInt(value, 16);
}

/** The parameters in the table without a name. */
function readParams(fields) {
  const params = {};
  const take = (names, read) =>
    Object.entries(names).forEach(([name, field]) => {
      params[field] = read(fields.get(name), name);
      fields.delete(name);
    });
  take(TEXTS, string);
  take(NUMBERS, number);
  take(AMOUNTS, (value, name) => readAmount(string(value, name)));
  take(TARGETS, target);
  fields.delete("allocations");
  for (const name of fields.keys()) throw unreadable(`the network's file has the unknown field ${name}`);
  return params;
}

function readUpgrade(fields) {
  const optional = (name, read) => (fields.has(name) ? read(fields.get(name), name) : undefined);
  return {
    height: number(fields.get("height"), "height"),
    name: string(fields.get("name"), "name"),
    maxBlockBytes: optional("max_block_bytes", number),
    maxNewAccounts: optional("max_new_accounts", number),
    accountPrice: optional("account_price", (value, name) => readAmount(string(value, name))),
    feature: optional("feature", string),
  };
}

/**
 * The network of a file.
 * @param {string} text
 * @returns {ReturnType<typeof makeNetwork>}
 */
export function readNetworkFile(text) {
  if (text.length > MAX_NETWORK_FILE) {
    throw unreadable(`the network's file has ${text.length} characters, expected at most ${MAX_NETWORK_FILE}`);
  }
  const [first, ...tables] = readTables(text);
  const params = readParams(first.fields);
  const named = (name) => tables.filter((table) => table.name === name).map((table) => table.fields);
  const unknown = tables.find((table) => !["allocations", "upgrade", "defaults"].includes(table.name));
  if (unknown) throw unreadable(`the network's file has the unknown table ${unknown.name}`);
  const allocation = (fields) => ({
    address: readAddress(string(fields.get("address"), "address"), params.prefix).bytes,
    amount: readAmount(string(fields.get("amount"), "amount")),
  });
  const allocations = named("allocations").map(allocation);
  return makeNetwork({ ...params, allocations }, named("upgrade").map(readUpgrade));
}
