// The light client in a worker, so that no proof ever keeps a page from answering its reader.

import { ProofError } from "./errors.js";
import { Service } from "./service.js";
import { browserStore } from "./store.js";

const METHODS = ["open", "refresh", "report", "check"];

const service = browserStore(self.indexedDB).then(
  (store) =>
    new Service({
      fetch: (url, options) => self.fetch(url, options),
      now: () => Date.now(),
      random: () => self.crypto.getRandomValues(new Uint8Array(32)),
      store,
      origin: `${self.location.origin}/`,
    }),
);

self.addEventListener("message", async ({ data: { id, method, args } }) => {
  try {
    if (!METHODS.includes(method)) throw new ProofError(`the worker has no method ${method}`, "failure");
    self.postMessage({ id, result: await (await service)[method](...args) });
  } catch (error) {
    // Whatever it is, somebody waits for it.
    const { message, kind = "failure", liars = [] } = error;
    self.postMessage({ id, error: { message, kind, liars } });
  }
});
