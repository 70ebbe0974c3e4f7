// The visitor's own storage for the last verified tip of each network: a later visit verifies only what is new.

/** @typedef {{get: (key: string) => Promise<unknown>, put: (key: string, value: object) => Promise<void>}} Store */

/** @returns {Store} one that forgets when the page is left */
export function memoryStore() {
  const kept = new Map();
  return {
    get: async (key) => kept.get(key),
    put: async (key, value) => {
      if (isBetter(value, kept.get(key))) kept.set(key, value);
    },
  };
}

/** A tip with less work never takes the place of one with more, whichever tab or answer comes last. */
function isBetter(value, old) {
  return typeof old?.work !== "string" || !/^[0-9]{1,78}$/.test(old.work) || BigInt(old.work) < BigInt(value.work);
}

const DATABASE = "cairn-light";
const TIPS = "tips";

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function open(indexedDB) {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TIPS);
  return settled(request);
}

/**
 * IndexedDB, or memory where a browser has none or denies it.
 * @param {IDBFactory|undefined} indexedDB
 * @returns {Promise<Store>}
 */
export async function browserStore(indexedDB) {
  const memory = memoryStore();
  let database;
  try {
    database = await open(indexedDB);
  } catch {
    // A private window, a full disk, a policy: nothing is remembered, and nothing else is lost.
    return memory;
  }
  const tips = (mode) => database.transaction(TIPS, mode).objectStore(TIPS);
  return {
    get: async (key) => settled(tips("readonly").get(key)).catch(() => memory.get(key)),
    put: async (key, value) => {
      await memory.put(key, value);
      const transaction = tips("readwrite");
      // Read and written in one transaction: another tab may have proven more meanwhile.
      const old = await settled(transaction.get(key)).catch(() => undefined);
      if (isBetter(value, old)) await settled(transaction.put(value, key)).catch(() => undefined);
    },
  };
}
