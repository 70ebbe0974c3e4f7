// Addresses as text, read as strictly as something that a person typed: docs/protocol.md, 2.2.

import { decodeBech32m, encodeBech32m } from "./bech32m.js";
import { fromHex } from "./bytes.js";
import { unreadable } from "./errors.js";
import { isOnCurve } from "./secp256k1.js";

/** @param {string} prefix of the network @param {Uint8Array} address @returns {string} */
export const showAddress = (prefix, address) => encodeBech32m(prefix, address);

/**
 * @param {string} text
 * @param {string} [prefix] the network's; without it any is taken
 * @returns {{prefix: string, bytes: Uint8Array}}
 */
export function readAddress(text, prefix) {
  const address = decodeBech32m(text);
  if (prefix !== undefined && address.prefix !== prefix) {
    throw unreadable(`the address begins with ${address.prefix}1, expected ${prefix}1: it is of another network`);
  }
  if (address.bytes.length !== 32) throw unreadable(`the address has ${address.bytes.length} bytes, expected 32`);
  if (!isOnCurve(address.bytes))
    throw unreadable("the address is no public key: nobody could spend what it receives");
  return address;
}

/**
 * An address as a page may name it: text, or 64 hex digits.
 * @param {string} text
 * @param {string} prefix
 * @returns {Uint8Array}
 */
export function anyAddress(text, prefix) {
  return /^[0-9a-f]{64}$/.test(text) ? fromHex(text, "address", 32) : readAddress(text, prefix).bytes;
}
