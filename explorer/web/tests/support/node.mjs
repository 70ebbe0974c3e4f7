// A node as JSON-RPC shows it, honest or with a lie told about one of its answers, behind a `fetch` without a
// network.

import { readAddress } from "../../light/address.js";
import { fromHex, toHex, u64 } from "../../light/bytes.js";
import { ProofError } from "../../light/errors.js";
import { encodeParams } from "../../light/network.js";
import { Service } from "../../light/service.js";
import { sha256 } from "../../light/sha256.js";
import { memoryStore } from "../../light/store.js";
import { Verifier } from "../../light/verifier.js";

const refuse = (code, message) => ({ error: { code, message } });

/** What an honest node answers. */
export function honest(chain, now) {
  const { network } = chain;
  const find = (id) => chain.headers.findIndex((header) => toHex(header.id) === id);
  const header = (height) => {
    const { id, time, raw } = chain.headers[height];
    return { id: toHex(id), height, time, work: chain.node(0, height + 1).work.toString(), raw: toHex(raw) };
  };
  return {
    node_info: () => ({
      chain: network.name,
      genesis_id: network.genesisId,
      address_prefix: network.prefix,
      time: now(),
    }),
    chain_tip: () => header(chain.height),
    chain_getHeader: ([block]) => {
      const height = typeof block === "number" ? block : find(block);
      return height >= 0 && height <= chain.height ? header(height) : refuse(2001, "no such block");
    },
    chain_getProof: ([tip, random, known]) => {
      if (tip !== toHex(chain.tip.id)) return refuse(2001, "no such block");
      const since = known ? find(known) : -1;
      const answer = { tip, height: chain.height, work: chain.work.toString() };
      if (since >= 0 && since >= chain.height - 512) {
        return {
          ...answer,
          since: known,
          raw: chain.headers
            .slice(since + 1)
            .map(({ raw }) => toHex(raw))
            .join(""),
        };
      }
      return { ...answer, since: null, raw: toHex(chain.lightProof(fromHex(random, "random", 32))) };
    },
    state_getProof: ([address, at]) => {
      const height = at ? find(at) : chain.height;
      if (height < 0 || height < chain.height - 32) return refuse(2003, "not kept");
      const { bytes } = readAddress(address, network.prefix);
      return { header: toHex(chain.headers[height].raw), address, raw: toHex(chain.states[height].proof(bytes)) };
    },
    tx_status: ([txid]) => {
      const height = chain.bodies.findIndex((body) => body.some((each) => toHex(each.id) === txid));
      return { txid, state: height < 0 ? "unknown" : "mined", height: height < 0 ? null : height };
    },
    chain_getTransactionProof: ([txid, at]) => {
      if (at !== toHex(chain.tip.id)) return refuse(2001, "no such block");
      const raw = chain.transactionProof(txid);
      return raw ? { txid, at, raw: toHex(raw) } : refuse(2002, "no such transaction");
    },
    chain_getRawBlock: ([id]) => (find(id) < 0 ? refuse(2001, "no such block") : toHex(chain.rawBlock(find(id)))),
  };
}

const NETWORK = "web/network.json";

/** The file in which a page's own server describes its network. */
function describe(nodes, url) {
  const network = nodes[url]?.network;
  return new Response(network ? JSON.stringify({ params: toHex(encodeParams(network.params)) }) : "", {
    status: network ? 200 : 404,
  });
}

/**
 * A `fetch` that reaches nodes by their URLs.
 * @param {Record<string, (method: string, params: unknown[]) => unknown>} nodes
 */
export function fetchOf(nodes) {
  return async (url, options) => {
    const node = nodes[url];
    if (url.endsWith(NETWORK)) return describe(nodes, url.slice(0, -NETWORK.length));
    if (!node) throw new TypeError("fetch failed");
    const { method, params } = JSON.parse(options.body);
    const answer = await node(method, params);
    if (answer instanceof Response) return answer;
    const told = answer && Object.hasOwn(answer, "error") ? answer : { result: answer };
    return new Response(JSON.stringify({ jsonrpc: "2.0", id: 1, ...told }));
  };
}

/**
 * A node that serves a chain, and tells `lie` about one method or several.
 * @param {() => number} now
 * @param {Record<string, (answer: any, params: unknown[]) => unknown>} [lies]
 */
export function node(chain, now, lies = {}) {
  const serve = (method, params) => {
    const answer = honest(chain, now)[method]?.(params) ?? refuse(-32601, "no such method");
    return Object.hasOwn(lies, method) ? lies[method](answer, params) : answer;
  };
  return Object.assign(serve, { network: chain.network });
}

let drawn = 0;

/** Repeatable bytes, others each time. */
export function draw() {
  drawn += 1;
  return sha256(u64(drawn));
}

const environment = (
  nodes,
  { now, store = memoryStore(), patience = 15_000, random = draw, fetch = fetchOf(nodes) },
) => {
  return { fetch, now, random, store, patience };
};

/** A verifier that asks these nodes, in their order. */
export function verifierOf(network, nodes, options) {
  return new Verifier(network, Object.keys(nodes), environment(nodes, options));
}

/** The service of a page of the first of these nodes, opened; also where nobody could be believed. */
export async function serviceOf(network, nodes, options) {
  const [origin, ...others] = Object.keys(nodes);
  const service = new Service({ ...environment(nodes, options), origin });
  await service.open(network.genesisId, others).catch((error) => {
    if (!(error instanceof ProofError)) throw error;
  });
  return service;
}

/** The answer with the bytes of its `raw` changed. */
export function withRaw(answer, change) {
  return { ...answer, raw: toHex(change(fromHex(answer.raw, "raw", 0, 1 << 23))) };
}
