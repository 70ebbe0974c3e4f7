// Elements with text in them. Text from strangers becomes text nodes and attribute values, never markup.

/**
 * @param {string} name
 * @param {string} [text]
 * @param {Node[]} [children]
 * @returns {HTMLElement}
 */
export function element(name, text = "", children = []) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

/**
 * A list of terms and what they are.
 * @param {[string, string|Node][]} rows
 * @returns {HTMLElement}
 */
export function terms(rows) {
  const parts = rows.flatMap(([term, value]) => {
    const shown = element("dd");
    shown.append(value);
    return [element("dt", term), shown];
  });
  return element("dl", "", parts);
}

/** @param {string} text @returns {HTMLElement} text that is copied letter by letter: ids and addresses */
export const code = (text) => element("code", text);

/** @param {string} id @returns {HTMLElement} */
export const byId = (id) => document.getElementById(id);

/**
 * Shows a verdict where a screen reader says it.
 * @param {HTMLElement} place
 * @param {"proven"|"lied"|"failed"|"checking"} state
 * @param {(string|Node)[]} parts
 */
export function showVerdict(place, state, parts) {
  place.dataset.state = state;
  place.replaceChildren(...parts);
}

/** @param {number} ms @returns {HTMLElement} a moment in the reader's zone, and exact for machines */
export function moment(ms) {
  const date = new Date(ms);
  const time = element("time", date.toLocaleString());
  time.dateTime = date.toISOString();
  return time;
}
