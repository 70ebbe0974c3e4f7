// What stands behind a page's verdicts: whose chain is believed, who lied, and what to be careful about.
// Text from nodes goes into text nodes only.

import { saveGenesis, storageOf } from "./settings.js";
import { approximate, inert, showAge } from "./text.js";

/** Makes an element with text and children. */
function element(document, name, text = "", children = []) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

/** The panel: in the element `[data-light]` of a page, or at the end of its main part. */
export class Panel {
  /** @param {Document} document @param {() => void} restart called when a setting has changed */
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
    /** The URLs of those that are named in it. */
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

  /**
   * Says which genesis id is trusted, and why.
   * @param {ReturnType<typeof import("./settings.js").trustedGenesis>} genesis
   * @param {string} told by the node
   */
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

  /**
   * Names the node that made this page where a figure on it is not what was proven, and nobody has named it yet.
   * @param {string} origin
   * @param {string[]} lies
   */
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

  /** @param {import("./verifier.js").Report} report */
  report({ node, work, height, samples, time, liars, warnings }) {
    const how = samples ? `${samples} samples` : "every header";
    const age = showAge(Date.now() - time);
    this.status.textContent =
      `Proven here: block ${height}, ${approximate(work)} hashes of work, ${how}, ${age} old, ` +
      `by the node at ${inert(node, 100)}.`;
    this.#liars(liars);
    this.#list(this.warnings, warnings);
  }

  /** @param {Error & {liars?: {node: string, claim: string}[]}} error */
  failure(error) {
    this.status.textContent = `Nothing is proven: ${inert(error.message, 600)}`;
    this.#liars(error.liars ?? []);
    this.#list(this.warnings, []);
  }
}
