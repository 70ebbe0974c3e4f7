// The page for payment URIs: says what one asks for, and makes one. It asks nobody and pays nobody.

import { readAddress } from "./address.js";
import { byId, code, element, showVerdict, terms } from "./dom.js";
import { ProofError } from "./errors.js";
import { SCHEME, readUri, writeUri } from "./payment_uri.js";
import { qrSvg } from "./qr.js";
import { inert, readAmount, showAmount } from "./text.js";

const NETWORKS = {
  crn: ["main", "the main network"],
  tcrn: ["test", "the test network: its money is worth nothing"],
  lcrn: ["local", "a local network: its money is worth nothing"],
};

/** A URI's parts, if its address is one. */
function checked(uri) {
  const { prefix } = readAddress(uri.address);
  const [chain, network] = NETWORKS[prefix] ?? [null, `the network whose addresses begin with ${prefix}1`];
  return { ...uri, chain, network };
}

/** What a shell takes as one word. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function show(text) {
  const place = byId("verdict");
  byId("uri").value = text;
  try {
    const uri = checked(readUri(text.trim()));
    const rows = [
      ["pay to", code(uri.address)],
      ["on", uri.network],
      ["amount", uri.amount === null ? "as you choose" : `${showAmount(uri.amount)} CRN`],
      ...(uri.memo === null ? [] : [["memo, for everybody to read", inert(uri.memo)]]),
      ...(uri.label === null ? [] : [["the receiver calls itself", inert(uri.label)]]),
    ];
    const command = `wallet ${uri.chain ? `--chain ${uri.chain} ` : ""}send ${quoted(writeUri(uri))}`;
    const picture = qrSvg(writeUri(uri));
    const parts = [
      element("h2", "This asks for a payment."),
      terms(rows),
      element("p", "In a terminal: ", [code(command)]),
      ...(picture ? [picture] : []),
    ];
    showVerdict(place, "proven", [
      ...parts,
      element("p", "Whoever made this URI chose what it says. Compare the address."),
    ]);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    showVerdict(place, "lied", [element("h2", "This is no payment URI."), element("p", inert(error.message, 600))]);
  }
}

/** Makes a URI of what was typed. */
function make() {
  try {
    const value = (id) => byId(id).value.trim();
    const address = value("address");
    readAddress(address);
    const amount = value("amount") === "" ? null : readAmount(value("amount"));
    const text = writeUri({ address, amount, memo: value("memo") || null, label: value("label") || null });
    // What is written has to be what is read: a memo may be too long, or hold what no memo may.
    readUri(text);
    byId("problem").textContent = "";
    show(text);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    byId("problem").textContent = inert(error.message, 600);
  }
}

/** The URI in the page's own address, behind the #. */
function fromAddress() {
  const { hash } = window.location;
  if (hash.length < 2) return;
  let text = hash.slice(1);
  try {
    // Browsers escape what they like; a URI that begins as one is taken as it stands.
    if (!text.startsWith(SCHEME)) text = decodeURIComponent(text);
  } catch (error) {
    // Then it is no payment URI either, which is what is said of it.
    if (!(error instanceof URIError)) throw error;
  }
  show(text);
}

byId("read").addEventListener("submit", (event) => {
  event.preventDefault();
  show(byId("uri").value);
});
byId("make").addEventListener("submit", (event) => {
  event.preventDefault();
  make();
});
window.addEventListener("hashchange", fromAddress);
fromAddress();
