// The page that checks receipts. It asks nobody: everything is in the file, but for the network that the visitor
// trusts.

import { showAddress } from "./address.js";
import { fromHex, toHex } from "./bytes.js";
import { byId, code, element, moment, showVerdict, terms } from "./dom.js";
import { ProofError, failure } from "./errors.js";
import { HEADER_BYTES } from "./header.js";
import { MAX_NETWORK_FILE, readNetworkFile } from "./network_file.js";
import { findNetwork, shippedNetwork } from "./networks.js";
import { MAX_RECEIPT_FILE, cautions, checkReceiptFile, readReceiptFile } from "./receipt.js";
import { Node } from "./rpc.js";
import { field } from "./shapes.js";
import { approximate, inert, memoText, showAge, showAmount } from "./text.js";

/** The text of a chosen file; one that is too long is not read. */
async function readFile(file, most, what) {
  if (file.size > most) throw failure(`the ${what} has ${file.size} bytes, expected at most ${most}`);
  return file.text();
}

/** The node that serves this page; none where it is a file. */
function servingNode() {
  const { protocol, origin } = window.location;
  if (protocol !== "http:" && protocol !== "https:") return null;
  return new Node(`${origin}/`, { fetch: (url, options) => window.fetch(url, options) });
}

/** The network of a receipt: the visitor's file, one that this page knows, or one that its node describes. */
async function networkFor(genesisId) {
  const [file] = byId("network").files;
  if (file) return readNetworkFile(await readFile(file, MAX_NETWORK_FILE, "network's file"));
  const shipped = shippedNetwork(genesisId);
  if (shipped) return shipped;
  const node = servingNode();
  if (!node) throw failure(`this page does not know the network ${genesisId}: choose its file below`);
  return findNetwork(genesisId, {
    describe: () => node.file("/web/network.json"),
    block0: async () =>
      fromHex(field(await node.call("chain_getHeader", [0]), "raw", "string"), "header", HEADER_BYTES),
  });
}

function leastWork() {
  const text = byId("work").value.trim();
  if (text === "") return 0n;
  if (!/^[0-9]{1,78}$/.test(text)) throw failure("the least work is no whole number of hashes");
  return BigInt(text);
}

/** What the receipt shows, a line each. */
function rows(network, { tip, place, transaction }) {
  const { header, confirmations, workAbove } = place;
  const { prefix } = network;
  const memo = memoText(transaction.memo);
  const paid = transaction.outputs.map(({ to, amount }) => {
    return ["to", element("span", "", [code(showAddress(prefix, to)), ` ${showAmount(amount)} CRN`])];
  });
  return [
    ["payment", code(toHex(transaction.id))],
    ["from", code(showAddress(prefix, transaction.sender))],
    ...paid,
    ["fee", `${showAmount(transaction.fee)} CRN`],
    ...(transaction.memo.length ? [["memo", memo ?? code(toHex(transaction.memo))]] : []),
    ["block", element("span", "", [`${header.height} (`, moment(header.time), "), ", code(toHex(header.id))])],
    ["buried", `${confirmations} deep, under ${approximate(workAbove)} hashes of work (${workAbove})`],
    ["chain", `${approximate(tip.work)} hashes of work in all, up to block ${tip.height}`],
    ["newest block", element("span", "", [moment(tip.tip.time), `, ${showAge(Date.now() - tip.tip.time)} ago`])],
    ["network", element("span", "", [`${network.name}, genesis `, code(network.genesisId)])],
  ];
}

async function check(text) {
  const place = byId("verdict");
  showVerdict(place, "checking", ["Checking …"]);
  try {
    const file = readReceiptFile(text.trim());
    const network = await networkFor(file.genesisId);
    const mined = checkReceiptFile(network, file, { now: Date.now(), leastWork: leastWork() });
    const parts = [
      element("h2", "The payment was mined."),
      terms(rows(network, mined)),
      ...cautions(network, mined, Date.now()).map((note) => element("p", note)),
    ];
    showVerdict(place, "proven", parts);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    const heading = error.kind === "failure" ? "This could not be checked." : "This receipt proves nothing.";
    showVerdict(place, error.kind === "failure" ? "failed" : "lied", [
      element("h2", heading),
      element("p", inert(error.message, 600)),
    ]);
  }
}

/** Takes the receipt from a file, which also fills the text. */
async function take(file) {
  const text = await readFile(file, MAX_RECEIPT_FILE, "receipt").catch((error) => {
    showVerdict(byId("verdict"), "failed", [element("p", error.message)]);
    return null;
  });
  if (text === null) return;
  byId("text").value = text;
  await check(text);
}

byId("file").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  check(byId("text").value);
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer?.files ?? [];
  if (file) take(file);
});
