// What the visitor decides: which genesis id is trusted, and which nodes are asked.

const ID = /^[0-9a-f]{64}$/;
const GENESIS = "cairn.genesis";
const NODES = "cairn.nodes";
const MAX_NODES = 8;
const MAX_TEXT = 8192;

/**
 * @param {Window} window
 * @param {"localStorage"|"sessionStorage"} name
 * @returns {Storage|null} null where the browser denies it, which below is as if it were empty
 */
export function storageOf(window, name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}

/** Storage that may be denied, full, or hold anything. */
function read(storage, name) {
  try {
    return storage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** @returns {boolean} whether it was kept */
function write(storage, name, value) {
  try {
    storage.setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

/**
 * The genesis id that is trusted, and since when: from the page's address, from this browser's settings, or as long as
 * there is neither, from the node's word.
 * @param {{hash: string, local: Storage, session: Storage, told: string}} sources `told` is what the page says
 * @returns {{id: string, from: "address"|"settings"|"node", saved: string}}
 */
export function trustedGenesis({ hash, local, session, told }) {
  const saved = ID.test(read(local, GENESIS)) ? read(local, GENESIS) : "";
  const named = new URLSearchParams(hash.replace(/^#/, "")).get("genesis") ?? "";
  if (ID.test(named)) {
    // For the other pages of this visit, whose addresses do not name it; longer only when the visitor says so.
    write(session, GENESIS, named);
    return { id: named, from: "address", saved };
  }
  if (saved) return { id: saved, from: "settings", saved };
  const visit = read(session, GENESIS);
  return ID.test(visit)
    ? { id: visit, from: "address", saved }
    : { id: ID.test(told) ? told : "", from: "node", saved };
}

/** @param {Storage} local @param {string} id trusted from now on; empty for none @returns {boolean} */
export function saveGenesis(local, id) {
  return (id === "" || ID.test(id)) && write(local, GENESIS, id);
}

/**
 * The URLs of other nodes: those that the page's operator names, and those in this browser's settings.
 * @param {Storage} local
 * @param {string} [named] by the operator, with blanks between them
 * @returns {string[]}
 */
export function otherNodes(local, named = "") {
  const texts = [named, read(local, NODES)].flatMap((list) => list.slice(0, MAX_TEXT).split(/\s+/));
  return [...new Set(texts.map(nodeUrl).filter((url) => url !== ""))].slice(0, MAX_NODES);
}

/** A URL of JSON-RPC as it is asked; empty where it is none. */
function nodeUrl(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return "";
  }
  const right =
    (url.protocol === "http:" || url.protocol === "https:") && !url.username && !url.password && !url.hash;
  return right ? url.href : "";
}
