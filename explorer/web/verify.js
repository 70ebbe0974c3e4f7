// Made by tools/bundle.mjs from light/verify_page.js and the modules that it needs. Do not edit.
"use strict";
(() => {
const errors_module = (() => {
class ProofError extends Error {
constructor(message, kind = "lie", rule = "refused") {
super(message);
this.name = "ProofError";
this.kind = kind;
this.rule = rule;
}
}
const unreadable = (message) => new ProofError(message, "lie", "decode");
const failure = (message, rule = "failure") => new ProofError(message, "failure", rule);
function demand(holds, message, rule) {
if (!holds) throw new ProofError(message(), "lie", rule);
}
return { ProofError, unreadable, failure, demand };
})();

const client_module = (() => {
const { ProofError, failure } = errors_module;
const NOT_LOADED = "the light client could not be loaded in this browser";
class LightClient {
#worker;
#waiting = new Map();
#last = 0;
#broken = false;
constructor(start = () => new Worker(new URL("/web/light.js", window.location))) {
try {
this.#worker = start();
} catch {
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
open(genesisId, urls) {
return this.#call("open", genesisId, urls);
}
refresh() {
return this.#call("refresh");
}
report() {
return this.#call("report");
}
check(question) {
return this.#call("check", question);
}
}
return { LightClient };
})();

const settings_module = (() => {
const ID = /^[0-9a-f]{64}$/;
const GENESIS = "cairn.genesis";
const NODES = "cairn.nodes";
const MAX_NODES = 8;
const MAX_TEXT = 8192;
function storageOf(window, name) {
try {
return window[name];
} catch {
return null;
}
}
function read(storage, name) {
try {
return storage.getItem(name) ?? "";
} catch {
return "";
}
}
function write(storage, name, value) {
try {
storage.setItem(name, value);
return true;
} catch {
return false;
}
}
function trustedGenesis({ hash, local, session, told }) {
const saved = ID.test(read(local, GENESIS)) ? read(local, GENESIS) : "";
const named = new URLSearchParams(hash.replace(/^#/, "")).get("genesis") ?? "";
if (ID.test(named)) {
write(session, GENESIS, named);
return { id: named, from: "address", saved };
}
if (saved) return { id: saved, from: "settings", saved };
const visit = read(session, GENESIS);
return ID.test(visit)
? { id: visit, from: "address", saved }
: { id: ID.test(told) ? told : "", from: "node", saved };
}
function saveGenesis(local, id) {
return (id === "" || ID.test(id)) && write(local, GENESIS, id);
}
function otherNodes(local, named = "") {
const texts = [named, read(local, NODES)].flatMap((list) => list.slice(0, MAX_TEXT).split(/\s+/));
return [...new Set(texts.map(nodeUrl).filter((url) => url !== ""))].slice(0, MAX_NODES);
}
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
return { storageOf, trustedGenesis, saveGenesis, otherNodes };
})();

const text_module = (() => {
const { unreadable } = errors_module;
const PEBBLES = 100_000_000n;
const MAX_AMOUNT = 2n ** 53n - 1n;
function showAmount(pebbles) {
const rest = (pebbles % PEBBLES).toString().padStart(8, "0").replace(/0+$/, "");
return rest ? `${pebbles / PEBBLES}.${rest}` : `${pebbles / PEBBLES}`;
}
function readAmount(text) {
const parts = /^([0-9]{1,9})(?:\.([0-9]{1,8}))?$/.exec(text);
if (!parts) throw unreadable("expected an amount such as 1.5, with up to eight decimals");
const amount = BigInt(parts[1]) * PEBBLES + BigInt((parts[2] ?? "").padEnd(8, "0"));
if (amount > MAX_AMOUNT) throw unreadable(`got ${text} CRN, expected at most ${showAmount(MAX_AMOUNT)}`);
return amount;
}
function approximate(hashes) {
const number = Number(hashes);
if (number < 10_000) return String(Math.round(number));
const [mantissa, exponent] = number.toExponential(1).split("e+");
return `${mantissa} × 10${exponent.replace(/./g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`;
}
function showAge(ms) {
const seconds = Math.max(0, Math.floor(ms / 1000));
if (seconds < 120) return `${seconds} s`;
if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
return `${Math.floor(seconds / 86_400)} days`;
}
const HIDDEN = new RegExp(
[
"[",
String.raw`\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f`,
String.raw`\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}`,
String.raw`\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}`,
"]",
].join(""),
"gu",
);
function inert(text, most = 512) {
const letters = [...text.slice(0, 2 * most)].slice(0, most).join("");
const shown = letters.replace(HIDDEN, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);
return letters.length < text.length ? `${shown}…` : shown;
}
const plainText = (text) => text.replace(/\\u\{[0-9a-f]{1,6}\}/g, "").replace(HIDDEN, "");
function memoText(bytes) {
try {
return inert(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
} catch (error) {
if (error instanceof TypeError) return null;
throw error;
}
}
return { showAmount, readAmount, approximate, showAge, inert, plainText, memoText };
})();

const panel_module = (() => {
const { saveGenesis, storageOf } = settings_module;
const { approximate, inert, showAge } = text_module;
function element(document, name, text = "", children = []) {
const made = document.createElement(name);
made.textContent = text;
made.append(...children);
return made;
}
class Panel {
constructor(document, restart) {
this.document = document;
this.restart = restart;
this.root = document.querySelector("[data-light]") ?? this.#append();
this.root.classList.add("light");
this.status = this.#part("p");
this.status.setAttribute("role", "status");
this.trust = this.#part("div");
const alert = this.#part("div", "light-liars");
alert.setAttribute("role", "alert");
this.liars = element(document, "ul");
alert.append(this.liars);
this.named = [];
this.warnings = this.#part("ul", "light-warnings");
const link = element(document, "a", "What is trusted, and which nodes are asked");
link.href = "/settings";
this.root.append(element(document, "p", "", [link]));
}
#append() {
const section = element(this.document, "section");
section.setAttribute("aria-label", "Proofs");
(this.document.querySelector("main") ?? this.document.body).append(section);
return section;
}
#part(name, className = "") {
const part = element(this.document, name);
part.className = className;
this.root.append(part);
return part;
}
#button(text, act) {
const button = element(this.document, "button", text);
button.type = "button";
button.addEventListener("click", act);
return button;
}
genesis({ id, from, saved }, told) {
const say = (text) => element(this.document, "p", text);
const parts = [];
this.status.textContent = "Proving the chain in this browser …";
if (from === "node") {
parts.push(
say(
"This page takes the node's word for the genesis id of the network until you confirm it. Compare it " +
"with what you know from elsewhere:",
),
);
parts.push(element(this.document, "code", id || "none"));
}
if (from === "address" && !saved) {
parts.push(say("This visit trusts the genesis id that the page's address named:"));
parts.push(element(this.document, "code", id));
}
if (from === "address" && saved && saved !== id)
parts.push(
say(
"Careful: the address of this page names another " +
`network (${id}) than the one you confirmed (${saved}).`,
),
);
if (/^[0-9a-f]{64}$/.test(told) && told !== id)
parts.push(say(`This node follows the network ${told}, and you trust ${id}.`));
if (id && id !== saved)
parts.push(
this.#button("Trust this genesis id in this browser", () => {
saveGenesis(storageOf(this.document.defaultView, "localStorage"), id);
this.restart();
}),
);
this.trust.replaceChildren(...parts);
}
#list(list, texts) {
list.replaceChildren(...texts.map((text) => element(this.document, "li", inert(text, 600))));
list.hidden = !texts.length;
}
page(origin, lies) {
if (!lies.length || this.named.some((node) => new URL(node).origin === origin)) return;
const item = element(this.document, "li", inert(`The node at ${origin}/ lies on this page: ${lies[0]}`, 600));
this.liars.append(item);
this.liars.hidden = false;
}
#liars(liars) {
this.named = liars.map(({ node }) => node);
this.#list(
this.liars,
liars.map((liar) => `The node at ${liar.node} lies: ${liar.claim}`),
);
}
report({ node, work, height, samples, time, liars, warnings }) {
const how = samples ? `${samples} samples` : "every header";
const age = showAge(Date.now() - time);
this.status.textContent =
`Proven here: block ${height}, ${approximate(work)} hashes of work, ${how}, ${age} old, ` +
`by the node at ${inert(node, 100)}.`;
this.#liars(liars);
this.#list(this.warnings, warnings);
}
failure(error) {
this.status.textContent = `Nothing is proven: ${inert(error.message, 600)}`;
this.#liars(error.liars ?? []);
this.#list(this.warnings, []);
}
}
return { Panel };
})();

const verify_page_module = (() => {
const { LightClient } = client_module;
const { ProofError } = errors_module;
const { Panel } = panel_module;
const { otherNodes, storageOf, trustedGenesis } = settings_module;
const MAX_OUTPUTS = 512;
const MAX_CLAIMS = 2048;
const MAX_TEXT = 4096;
const AT_ONCE = 4;
const HOLDS_MS = 1_000;
const KINDS = { tip: ["height"], account: ["balance", "address"], payment: ["amount", "txid"], block: ["id"] };
const ABOUT = { address: "account", tx: "payment", block: "block" };
const NO_TEXT = "input, textarea, select, img, picture, svg, canvas, video, object, embed, iframe, meter, progress";
const LIED = /^the node lied: /;
function show(output, state, text) {
output.dataset.state = state;
output.textContent = text;
}
function pageOf(container) {
const { height = document.body.dataset.height, tip = document.body.dataset.tip } = container.dataset;
return {
height: /^[0-9]{1,15}$/.test(height ?? "") ? Number(height) : null,
tip: /^[0-9a-f]{64}$/.test(tip ?? "") ? tip : null,
};
}
function textOf(figure) {
if (figure.querySelector(NO_TEXT)) return "something that is no text";
const copy = figure.cloneNode(true);
if (figure.dataset.claim === "time") return momentOf(copy);
const buttons = [...copy.querySelectorAll("button")].filter((each) => !/\p{N}/u.test(each.textContent));
[...buttons, ...copy.querySelectorAll("output.proof")].forEach((each) => each.remove());
return copy.textContent.slice(0, MAX_TEXT);
}
function momentOf(copy) {
const time = copy.querySelector("time[datetime]");
const moment = time?.dateTime ?? "";
time?.remove();
return copy.textContent.trim() === "" ? moment.slice(0, MAX_TEXT) : copy.textContent.slice(0, MAX_TEXT);
}
function claimsOf(container) {
const figures = [...container.querySelectorAll("[data-claim]")];
const own = figures.filter(
(figure) => figure.closest("[data-proven]") === container || !container.matches("[data-proven]"),
);
return own.map((figure) => {
const { claim, value = "", address } = figure.dataset;
return [address ? `${claim}@${address}` : claim, value, textOf(figure)];
});
}
function questionOf(output) {
const container = output.closest("[data-proven]") ?? output.parentElement;
const { proof: kind = "", id = "" } = output.dataset;
return { kind, id, claims: claimsOf(container), page: pageOf(container) };
}
function whyNot({ kind, claims }) {
if (!Object.hasOwn(KINDS, kind)) return "this page does not know how to prove that";
if (claims.length > MAX_CLAIMS) return `this page has more than ${MAX_CLAIMS} figures for one proof`;
const missing = KINDS[kind].find((needed) => !claims.some(([name]) => name === needed));
return missing ? `this page marks no ${missing} to be proven` : "";
}
function otherThing({ kind, id, claims }) {
const [, about, named] = /^\/(address|tx|block)\/([0-9A-Za-z]{1,100})$/.exec(window.location.pathname) ?? [];
if (!about || ABOUT[about] !== kind) return "";
const isHeight = kind === "block" && /^[0-9]{1,15}$/.test(named);
const got = isHeight ? claims.find(([name]) => name === "height")?.[1] : id;
return got?.toLowerCase() === named.toLowerCase() ? "" : `this is the page of ${named}, and its proof is about another`;
}
function painted() {
return new Promise((resolve) => {
if (document.hidden) resolve();
else requestAnimationFrame(() => setTimeout(resolve));
});
}
const keyOf = ({ kind, id, claims }) => JSON.stringify([kind, id, claims]);
async function each(items, work) {
const queue = [...items];
const run = async () => {
while (queue.length) await work(queue.shift());
};
await Promise.all(Array.from({ length: AT_ONCE }, run));
}
class Page {
constructor() {
this.client = null;
this.panel = new Panel(document, () => this.start());
this.open = null;
this.asked = new WeakMap();
this.proven = new Map();
this.waiting = new Map();
}
get outputs() {
return [...document.querySelectorAll("output.proof")];
}
async start() {
this.asked = new WeakMap();
this.proven.clear();
this.waiting.clear();
this.#await();
await painted();
this.client ??= new LightClient();
const { hash } = window.location;
const [local, session] = [storageOf(window, "localStorage"), storageOf(window, "sessionStorage")];
const genesis = trustedGenesis({ hash, local, session, told: document.body.dataset.genesis ?? "" });
this.panel.genesis(genesis, document.body.dataset.genesis ?? "");
this.open = this.client.open(genesis.id, otherNodes(local, document.body.dataset.nodes));
await this.#judge();
}
async update() {
this.#await();
if (!this.open) return;
this.open = this.open.then(
() => this.client.refresh(),
() => this.client.refresh(),
);
await this.#judge();
}
#await() {
const [before, now] = [this.waiting, performance.now()];
this.waiting = new Map();
this.outputs.forEach((output) => {
const key = keyOf(questionOf(output));
this.waiting.set(key, before.get(key) ?? now);
const holds = now - this.waiting.get(key) < HOLDS_MS && this.proven.get(key);
if (holds) show(output, "proven", holds);
else show(output, "checking", "checking …");
});
setTimeout(() => this.#overdue(), HOLDS_MS);
}
#overdue() {
const since = performance.now() - HOLDS_MS;
const late = (output) => this.waiting.get(keyOf(questionOf(output))) <= since;
this.outputs.filter(late).forEach((output) => show(output, "checking", "checking …"));
}
async #judge() {
const opened = this.open;
try {
this.panel.report(await opened);
} catch (error) {
if (!(error instanceof ProofError)) throw error;
this.panel.failure(error);
}
const outputs = this.outputs;
outputs.slice(MAX_OUTPUTS).forEach((output) => show(output, "failed", "not proven: this page has too many proofs"));
await each(outputs.slice(0, MAX_OUTPUTS), (output) => this.#check(output));
const report = await this.client.report().catch(() => null);
if (this.open !== opened) return;
if (report) this.panel.report(report);
const lied = outputs.filter((output) => output.isConnected && output.dataset.state === "lied");
this.panel.page(window.location.origin, lied.map((output) => output.textContent.replace(LIED, "")));
}
async #check(output) {
const question = questionOf(output);
const [asked, key] = [JSON.stringify(question), keyOf(question)];
this.asked.set(output, asked);
const verdict = await this.#verdict(question);
this.waiting.delete(key);
if (verdict.state === "proven") this.#keep(key, verdict.text);
else this.proven.delete(key);
if (this.asked.get(output) !== asked) return;
if (keyOf(questionOf(output)) === key) show(output, verdict.state, verdict.text);
}
async #verdict(question) {
const [why, other] = [whyNot(question), otherThing(question)];
if (why) return { state: "failed", text: `not proven: ${why}` };
if (other) return { state: "lied", text: `the node lied: ${other}` };
return this.client.check(question).catch((error) => ({ state: "failed", text: `not proven: ${error.message}` }));
}
#keep(key, text) {
if (this.proven.size >= MAX_OUTPUTS) this.proven.clear();
this.proven.set(key, text);
}
}
const page = new Page();
document.addEventListener("cairn:updated", () => page.update());
page.start();
return {  };
})();
})();
