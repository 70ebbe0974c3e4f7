// JSON-RPC to one node. Nothing here is believed: answers are bounded in bytes and time, and whatever is wrong with
// one on this level is a failure, never a lie.

import { ProofError, failure } from "./errors.js";
import { isObject, readJson } from "./shapes.js";
import { inert } from "./text.js";

/** How long an answer may take, in ms. */
export const PATIENCE_MS = 15_000;
/** Bytes of an answer that is no proof. */
export const SMALL = 1 << 16;

/** A refusal by the node itself, with its code (docs/rpc.md). */
export class Refusal extends ProofError {
  constructor(message, code) {
    super(message, "failure", "refusal");
    this.code = code;
  }
}

/** Reads a body of at most `most` bytes; one that is longer is broken off, not read. */
async function readBody(response, most) {
  if (!response.body) throw failure("the answer is empty");
  const reader = response.body.getReader();
  const decoder = new TextDecoder("utf-8");
  let [text, length] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { text: text + decoder.decode(), length };
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw failure(`the answer has more than ${most} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** A node at a URL. */
export class Node {
  /**
   * @param {string} url
   * @param {{fetch: typeof fetch, patience?: number}} environment
   */
  constructor(url, { fetch, patience = PATIENCE_MS }) {
    this.url = url;
    this.fetch = fetch;
    this.patience = patience;
    /** Bytes that came from it, as they are without compression. */
    this.bytes = 0;
  }

  /** Fetches a text; whatever goes wrong on the way is a failure. */
  async #text(url, options, most) {
    const abort = new AbortController();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        abort.abort();
        reject(failure(`no answer within ${this.patience / 1000} s`, "silent"));
      }, this.patience);
    });
    try {
      const fixed = { redirect: "error", cache: "no-store", referrerPolicy: "no-referrer", signal: abort.signal };
      const whole = async () => {
        const response = await this.fetch(url, { ...options, ...fixed });
        return { ...(await readBody(response, most)), status: response.status };
      };
      const answer = await Promise.race([whole(), late]);
      this.bytes += answer.length;
      return answer;
    } catch (error) {
      if (error instanceof ProofError) throw error;
      throw failure("no answer", "silent");
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A file beside the JSON-RPC of the page's own server.
   * @param {string} path
   * @returns {Promise<string>}
   */
  async file(path) {
    const { text, status } = await this.#text(new URL(path, this.url).href, {}, 1 << 21);
    if (status !== 200) throw failure(`status ${status} for ${path}`);
    return text;
  }

  /**
   * Calls a method.
   * @param {string} method
   * @param {unknown[]} params
   * @param {number} [most] bytes of the answer
   * @returns {Promise<object>} an object, or for methods that answer one, a string
   */
  async call(method, params, most = SMALL) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const headers = { "content-type": "application/json" };
    const { text, status } = await this.#text(this.url, { method: "POST", headers, body }, most);
    let answer;
    try {
      answer = readJson(text, most, `answer to ${method}`);
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      throw failure(`status ${status}, and ${error.message}`);
    }
    if (Object.hasOwn(answer, "error") && isObject(answer.error)) throw refusal(method, answer.error);
    const result = Object.hasOwn(answer, "result") ? answer.result : undefined;
    if (!isObject(result) && typeof result !== "string") throw failure(`the answer to ${method} has no result`);
    return result;
  }
}

function refusal(method, error) {
  const code = Number.isSafeInteger(error.code) ? error.code : 0;
  const message = typeof error.message === "string" ? inert(error.message, 200) : "no reason";
  return new Refusal(`it refused ${method}: ${message}`, code);
}
