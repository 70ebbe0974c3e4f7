// The page's side of the worker: calls that are promises. `light.js` is made of worker.js and what that needs.

import { ProofError, failure } from "./errors.js";

const NOT_LOADED = "the light client could not be loaded in this browser";

/** The light client as a page sees it: see `Service` for what the calls do. */
export class LightClient {
  #worker;
  #waiting = new Map();
  #last = 0;
  #broken = false;

  /** @param {() => Worker} [start] */
  constructor(start = () => new Worker(new URL("/web/light.js", window.location))) {
    try {
      this.#worker = start();
    } catch {
      // A browser without workers, or a policy that forbids them.
      this.#broken = true;
      return;
    }
    this.#worker.addEventListener("message", ({ data }) => this.#settle(data));
    this.#worker.addEventListener("error", () => this.#break());
  }

  #settle({ id, result, error }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (!error) return waiting?.resolve(result);
    const thrown = new ProofError(error.message, error.kind);
    thrown.liars = error.liars;
    return waiting?.reject(thrown);
  }

  /** A worker that cannot be loaded proves nothing. */
  #break() {
    this.#broken = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    waiting.forEach(({ reject }) => reject(failure(NOT_LOADED)));
  }

  #call(method, ...args) {
    if (this.#broken) return Promise.reject(failure(NOT_LOADED));
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args });
    });
  }

  /** @param {string} genesisId @param {string[]} urls @returns {Promise<import("./verifier.js").Report>} */
  open(genesisId, urls) {
    return this.#call("open", genesisId, urls);
  }

  /** @returns {Promise<import("./verifier.js").Report>} */
  refresh() {
    return this.#call("refresh");
  }

  /** @returns {Promise<import("./verifier.js").Report>} what is known now, without asking anybody */
  report() {
    return this.#call("report");
  }

  /** @param {import("./service.js").Question} question @returns {Promise<import("./service.js").Verdict>} */
  check(question) {
    return this.#call("check", question);
  }
}
