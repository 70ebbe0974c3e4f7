// What the visitor decides: which genesis id is trusted, and which nodes are asked.

const ID = /^[0-9a-f]{64}$/;
const GENESIS = "cairn.genesis";
const NODES = "cairn.nodes";
const MAX_NODES = 8;

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
  // For the other pages of this visit, whose addresses do not name it. It is kept for longer only when the visitor says so.
  if (ID.test(named)) write(session, GENESIS, named);
  const visit = ID.test(named) ? named : read(session, GENESIS);
  if (ID.test(visit)) return { id: visit, from: "address", saved };
  return saved ? { id: saved, from: "settings", saved } : { id: ID.test(told) ? told : "", from: "node", saved };
}

/** @param {Storage} local @param {string} id trusted from now on; empty for none @returns {boolean} */
export function saveGenesis(local, id) {
  return (id === "" || ID.test(id)) && write(local, GENESIS, id);
}

/** @param {Storage} local @returns {string[]} the URLs of other nodes */
export function otherNodes(local) {
  const lines = read(local, NODES).split(/\s+/).slice(0, 64);
  return [...new Set(lines.map(nodeUrl).filter((url) => url !== ""))].slice(0, MAX_NODES);
}

/**
 * @param {Storage} local
 * @param {string} text URLs, one a line
 * @returns {string[]} lines that are no URLs of nodes; nothing is saved where there are any
 */
export function saveNodes(local, text) {
  const lines = text.split(/\s+/).filter(Boolean);
  const bad = lines.filter((line) => nodeUrl(line) === "");
  if (!bad.length) write(local, NODES, lines.join("\n"));
  return bad;
}

/** A URL of JSON-RPC as it is asked; empty where it is none. */
function nodeUrl(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return "";
  }
  const right = (url.protocol === "http:" || url.protocol === "https:") && !url.username && !url.password && !url.hash;
  return right ? url.href : "";
}
