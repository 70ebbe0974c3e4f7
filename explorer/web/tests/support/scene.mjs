// A chain of 30 blocks that pays an address, and what an honest page says of it.

import { showAddress } from "../../light/address.js";
import { toHex } from "../../light/bytes.js";
import { Chain, easyNetwork } from "./chain.mjs";
import { key } from "./keys.mjs";
import { node, serviceOf } from "./node.mjs";

export const GENESIS_TIME = 1_700_000_000_000;
/** What the address was paid 8 blocks below the tip, and 2 blocks below it. */
export const PAID = 1_250_000_000n;
export const LATELY = 50_000_000n;
export const OWN = "https://own.example/";
export const OTHER = "https://other.example/";
export const payee = key(7).address;

/** @param {{age?: number}} [options] how long after block 0 the present is, in ms */
export function scene({ age = 70_000 } = {}) {
  const network = easyNetwork(GENESIS_TIME);
  const chain = new Chain(network).grow(21);
  const early = chain.pay(payee, PAID, { memo: "for the tea" });
  chain.mine([early]);
  chain.grow(5);
  const late = chain.pay(payee, LATELY);
  chain.mine([late]);
  chain.grow(2);
  const address = showAddress(network.prefix, payee);
  const now = () => GENESIS_TIME + age;
  return { network, chain, early, late, address, now, txid: toHex(early.id), lateId: toHex(late.id) };
}

export const pageOf = (chain) => ({ height: chain.height, tip: toHex(chain.tip.id) });

/** The question of an honest page on an account. */
export function accountQuestion({ chain, address }, change = {}) {
  const account = chain.states[chain.height].find(payee);
  const claims = { balance: `${account.balance}`, nonce: `${account.nonce}`, ...change };
  return { kind: "account", id: address, claims: Object.entries(claims), page: pageOf(chain) };
}

/** The question of an honest page on a payment. */
export function paymentQuestion({ chain, network }, transaction, height, change = {}) {
  const claims = {
    height,
    block: toHex(chain.headers[height].id),
    amount: transaction.outputs[0].amount,
    fee: transaction.fee,
    "to.0": showAddress(network.prefix, transaction.outputs[0].to),
    sender: showAddress(network.prefix, transaction.sender),
    memo: toHex(transaction.memo),
    confirmations: chain.height - height + 1,
    ...change,
  };
  const values = Object.entries(claims).map(([name, value]) => [name, `${value}`]);
  return { kind: "payment", id: toHex(transaction.id), claims: values, page: pageOf(chain) };
}

/** The question of an honest page on a block. */
export function blockQuestion({ chain }, height, change = {}) {
  const { id, parent, time } = chain.headers[height];
  const claims = { height, id: toHex(id), parent: toHex(parent), time, ...change };
  const values = Object.entries(claims).map(([name, value]) => [name, `${value}`]);
  return { kind: "block", id: toHex(id), claims: values, page: pageOf(chain) };
}

/** The question of an honest page on its tip. */
export function tipQuestion({ chain }, change = {}) {
  const claims = { height: chain.height, id: toHex(chain.tip.id), work: chain.work, time: chain.tip.time, ...change };
  return {
    kind: "tip",
    id: "",
    claims: Object.entries(claims).map(([name, value]) => [name, `${value}`]),
    page: pageOf(chain),
  };
}

/** The verdict of a page of a node with these lies; and of one beside an honest node. */
export async function ask(made, lies, question) {
  const own = node(made.chain, made.now, lies);
  const alone = await serviceOf(made.network, { [OWN]: own }, made);
  const both = await serviceOf(made.network, { [OWN]: own, [OTHER]: node(made.chain, made.now) }, made);
  const verdicts = { alone: await alone.check(question), both: await both.check(question) };
  return { ...verdicts, liars: [...both.verifier.liars], service: alone };
}
