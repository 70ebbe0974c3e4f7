// Proves in the visitor's browser what a page shows. Each `<output class="proof" data-proof data-id>` is about the
// figures with `data-claim` and `data-value` in the same `[data-proven]` element; the verdict is written into it. A
// page that changes its figures says so by the event `cairn:updated` on `document`.

import { LightClient } from "./client.js";
import { ProofError } from "./errors.js";
import { Panel } from "./panel.js";
import { otherNodes, storageOf, trustedGenesis } from "./settings.js";

/** More figures than any page has. */
const MAX_OUTPUTS = 512;
const MAX_CLAIMS = 2048;
/** A memo of 256 bytes, each written out as what it hides, is shorter. */
const MAX_TEXT = 4096;
/** Questions that wait for a node at a time. */
const AT_ONCE = 4;
/** How long a verdict stands while the same figures are checked again: a node may let that wait. */
const HOLDS_MS = 1_000;
/** What can be proven, and the figures without which a verdict would be about nothing that a visitor reads. */
const KINDS = { tip: ["height"], account: ["balance", "address"], payment: ["amount", "txid"], block: ["id"] };
/** The part of a page's address that says what it is about. */
const ABOUT = { address: "account", tx: "payment", block: "block" };
/** What a figure shows that is no text. */
const NO_TEXT = "input, textarea, select, img, picture, svg, canvas, video, object, embed, iframe, meter, progress";

/** What a verdict on a lie begins with. */
const LIED = /^the node lied: /;

/** Writes a verdict, and nothing else, into an output. */
function show(output, state, text) {
  output.dataset.state = state;
  output.textContent = text;
}

/** The block at which a part of the page was made. */
function pageOf(container) {
  const { height = document.body.dataset.height, tip = document.body.dataset.tip } = container.dataset;
  return {
    height: /^[0-9]{1,15}$/.test(height ?? "") ? Number(height) : null,
    tip: /^[0-9a-f]{64}$/.test(tip ?? "") ? tip : null,
  };
}

/** The text of a figure, without a verdict or the button that copies it. */
function textOf(figure) {
  if (figure.querySelector(NO_TEXT)) return "something that is no text";
  const copy = figure.cloneNode(true);
  if (figure.dataset.claim === "time") return momentOf(copy);
  const buttons = [...copy.querySelectorAll("button")].filter((each) => !/\p{N}/u.test(each.textContent));
  [...buttons, ...copy.querySelectorAll("output.proof")].forEach((each) => each.remove());
  return copy.textContent.slice(0, MAX_TEXT);
}

/** The moment that is shown, in the reader's zone, by an element that says it for machines, too; and nothing else. */
function momentOf(copy) {
  const time = copy.querySelector("time[datetime]");
  const moment = time?.dateTime ?? "";
  time?.remove();
  return copy.textContent.trim() === "" ? moment.slice(0, MAX_TEXT) : copy.textContent.slice(0, MAX_TEXT);
}

/** The figures beside an output: those of its own element, not of one inside it. */
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

/** @param {HTMLOutputElement} output @returns {import("./service.js").Question} */
function questionOf(output) {
  const container = output.closest("[data-proven]") ?? output.parentElement;
  const { proof: kind = "", id = "" } = output.dataset;
  return { kind, id, claims: claimsOf(container), page: pageOf(container) };
}

/** Why there is nothing to ask: a verdict is about figures that are all compared. Empty where there is. */
function whyNot({ kind, claims }) {
  if (!Object.hasOwn(KINDS, kind)) return "this page does not know how to prove that";
  if (claims.length > MAX_CLAIMS) return `this page has more than ${MAX_CLAIMS} figures for one proof`;
  const missing = KINDS[kind].find((needed) => !claims.some(([name]) => name === needed));
  return missing ? `this page marks no ${missing} to be proven` : "";
}

/** Where a page's address names one thing and its proof is about another; empty where it does not. */
function otherThing({ kind, id, claims }) {
  const [, about, named] = /^\/(address|tx|block)\/([0-9A-Za-z]{1,100})$/.exec(window.location.pathname) ?? [];
  if (!about || ABOUT[about] !== kind) return "";
  const isHeight = kind === "block" && /^[0-9]{1,15}$/.test(named);
  const got = isHeight ? claims.find(([name]) => name === "height")?.[1] : id;
  return got?.toLowerCase() === named.toLowerCase() ? "" : `this is the page of ${named}, and its proof is about another`;
}

/** Once the page is painted: until then a proof would keep its reader waiting. In the background nothing is painted. */
function painted() {
  return new Promise((resolve) => {
    if (document.hidden) resolve();
    else requestAnimationFrame(() => setTimeout(resolve));
  });
}

/** What a verdict is about; as long as that stays the same it holds, whatever part of the page is made anew. */
const keyOf = ({ kind, id, claims }) => JSON.stringify([kind, id, claims]);

/** Runs `work` on all items, some at a time. */
async function each(items, work) {
  const queue = [...items];
  const run = async () => {
    while (queue.length) await work(queue.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
}

/** The light client on this page. */
class Page {
  constructor() {
    /** It starts a worker: once the page is painted. */
    this.client = null;
    this.panel = new Panel(document, () => this.start());
    this.open = null;
    this.asked = new WeakMap();
    /** What was proven, by what it was about: what a page itself writes into an output counts for nothing. */
    this.proven = new Map();
    /** Since when what is being checked waits. */
    this.waiting = new Map();
  }

  /** All of them, also those that nothing proves: no verdict on a page is the page's own. */
  get outputs() {
    return [...document.querySelectorAll("output.proof")];
  }

  /** Begins, also anew after the settings have changed. */
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

  /** Checks again what has changed. */
  async update() {
    this.#await();
    if (!this.open) return;
    this.open = this.open.then(
      () => this.client.refresh(),
      () => this.client.refresh(),
    );
    await this.#judge();
  }

  /** Until a figure is checked, there is no verdict on it but the one that was just passed on the same. */
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

  /** What has waited too long holds no more. */
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
    // What was found out meanwhile: somebody may have lied about an account.
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
    // The figures may have changed while the answer was on its way; then another question is.
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
