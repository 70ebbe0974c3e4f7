// JSON from strangers: its length before it is read, and the type of each field before it is used.

import { failure, unreadable } from "./errors.js";

/**
 * @param {string} text
 * @param {number} most characters
 * @param {string} what the name of it, for errors
 * @returns {object} never an array, never null
 */
export function readJson(text, most, what) {
  if (text.length > most) throw unreadable(`the ${what} has ${text.length} characters, expected at most ${most}`);
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // A document that is nested too deeply ends in a RangeError, any other in a SyntaxError.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    throw unreadable(`the ${what} is no JSON`);
  }
  if (!isObject(value)) throw unreadable(`the ${what} is no JSON object`);
  return value;
}

/** @param {unknown} value @returns {boolean} whether it has named fields */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * A field of an object: its own, never one of a prototype.
 * @param {object} object
 * @param {string} name
 * @param {"string"|"number"|"object"} type a number is an integer from 0 to 2^53 - 1
 */
export function field(object, name, type) {
  const value = isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;
  const right =
    type === "number"
      ? Number.isSafeInteger(value) && value >= 0
      : type === "object"
        ? isObject(value)
        : typeof value === type;
  if (!right) throw failure(`the field ${name} is missing or no ${type}`, "decode");
  return value;
}

/**
 * @param {object} object
 * @param {string} name
 * @returns {string|null} the text of a field that may be null or missing
 */
export function optionalText(object, name) {
  const value = isObject(object) && Object.hasOwn(object, name) ? object[name] : null;
  return value === null || value === undefined ? null : field(object, name, "string");
}
