// Proves in the visitor's browser what a page shows. Each `<output class="proof" data-proof data-id>` is about the
// figures with `data-claim` and `data-value` in the same `[data-proven]` element; the verdict is written into it. A
// page that changes its figures says so by the event `cairn:updated` on `document`.

import { LightClient } from "./light/client.js";
import { ProofError } from "./light/errors.js";
import { Panel } from "./light/panel.js";
import { otherNodes, storageOf, trustedGenesis } from "./light/settings.js";

/** More figures than any page has. */
const MAX_OUTPUTS = 512;
const MAX_CLAIMS = 2048;
const MAX_TEXT = 256;
/** Questions that wait for a node at a time. */
const AT_ONCE = 4;
const KINDS = ["tip", "account", "payment", "block"];

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

/** The text of a figure, without a verdict or a button that stands in the same element. */
function textOf(figure) {
  const copy = figure.cloneNode(true);
  copy.querySelectorAll("output, button").forEach((each) => each.remove());
  return copy.textContent.slice(0, MAX_TEXT);
}

/** The figures beside an output: those of its own element, not of one inside it. */
function claimsOf(container) {
  const figures = [...container.querySelectorAll("[data-claim]")].slice(0, MAX_CLAIMS);
  const own = figures.filter(
    (figure) => figure.closest("[data-proven]") === container || !container.matches("[data-proven]"),
  );
  return own.map((figure) => {
    const { claim, value = "", address } = figure.dataset;
    return [address ? `${claim}@${address}` : claim, value, textOf(figure)];
  });
}

/** @param {HTMLOutputElement} output @returns {import("./light/service.js").Question} */
function questionOf(output) {
  const container = output.closest("[data-proven]") ?? output.parentElement;
  const { proof: kind = "", id = "" } = output.dataset;
  return { kind, id, claims: claimsOf(container), page: pageOf(container) };
}

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
    this.client = new LightClient();
    this.panel = new Panel(document, () => this.start());
    this.open = null;
    this.asked = new WeakMap();
  }

  get outputs() {
    const all = [...document.querySelectorAll("output.proof[data-proof]")].slice(0, MAX_OUTPUTS);
    return all.filter((output) => KINDS.includes(output.dataset.proof));
  }

  /** Begins, also anew after the settings have changed. */
  async start() {
    const { hash } = window.location;
    const [local, session] = [storageOf(window, "localStorage"), storageOf(window, "sessionStorage")];
    const genesis = trustedGenesis({ hash, local, session, told: document.body.dataset.genesis ?? "" });
    this.panel.genesis(genesis, document.body.dataset.genesis ?? "");
    this.asked = new WeakMap();
    for (const output of this.outputs) show(output, "checking", "checking …");
    this.open = this.client.open(genesis.id, otherNodes(local, document.body.dataset.nodes));
    await this.#judge();
  }

  /** Checks again what has changed. */
  async update() {
    if (!this.open) return;
    this.open = this.open.then(
      () => this.client.refresh(),
      () => this.client.refresh(),
    );
    await this.#judge();
  }

  async #judge() {
    const opened = this.open;
    try {
      this.panel.report(await opened);
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      this.panel.failure(error);
    }
    await each(this.outputs, (output) => this.#check(output));
    // What was found out meanwhile: somebody may have lied about an account.
    const report = await this.client.report().catch(() => null);
    if (report && this.open === opened) this.panel.report(report);
  }

  async #check(output) {
    const question = questionOf(output);
    const asked = JSON.stringify(question);
    if (this.asked.get(output) === asked && output.dataset.state === "proven") return;
    this.asked.set(output, asked);
    if (output.dataset.state !== "proven") show(output, "checking", "checking …");
    const { state, text } = await this.client.check(question).catch((error) => {
      return { state: "failed", text: `not proven: ${error.message}` };
    });
    // The figures may have changed while the answer was on its way; then another question is.
    if (this.asked.get(output) === asked) show(output, state, text);
  }
}

const page = new Page();
document.addEventListener("cairn:updated", () => page.update());
page.start();
