// The one kind of error that the light client throws: what was got, what was expected, and whose fault it is.

/**
 * Why something is not proven.
 *
 * `kind` says what may be concluded from it:
 * - `lie`: the answer itself shows that it is wrong; whoever gave it lies, or is broken;
 * - `early`: all that is wrong is a block from the future, so it may be this computer's clock;
 * - `failure`: nothing is shown either way (no answer, a refusal, rules or a network that this page does not know).
 */
export class ProofError extends Error {
  /**
   * @param {string} message a sentence
   * @param {"lie"|"early"|"failure"} [kind]
   * @param {string} [rule] a short name of the broken rule, for programs
   */
  constructor(message, kind = "lie", rule = "refused") {
    super(message);
    this.name = "ProofError";
    this.kind = kind;
    this.rule = rule;
  }
}

/** @param {string} message @returns {ProofError} bytes that are not the one encoding of what they should be */
export const unreadable = (message) => new ProofError(message, "lie", "decode");

/** @param {string} message @param {string} [rule] @returns {ProofError} nothing is shown either way */
export const failure = (message, rule = "failure") => new ProofError(message, "failure", rule);

/**
 * Refuses unless `holds`.
 * @param {boolean} holds
 * @param {() => string} message made only when it is needed
 * @param {string} [rule]
 */
export function demand(holds, message, rule) {
  if (!holds) throw new ProofError(message(), "lie", rule);
}
