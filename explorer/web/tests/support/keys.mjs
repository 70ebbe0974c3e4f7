// Keys and signatures of BIP340 for tests. Their secrets are small numbers and worth nothing.

import { createECDH } from "node:crypto";
import { bigEndian, concat, toBigEndian } from "../../light/bytes.js";

import { tagged } from "../../light/sha256.js";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const challenge = tagged("BIP0340/challenge");
const nonce = tagged("BIP0340/nonce");
const aux = tagged("BIP0340/aux");

function multiplyG(scalar) {
  const ecdh = createECDH("secp256k1");
  ecdh.setPrivateKey(toBigEndian(scalar));
  const point = Uint8Array.from(ecdh.getPublicKey());
  return { x: point.subarray(1, 33), odd: point[64] % 2 === 1 };
}

/** @param {number|bigint} secret */
export function key(secret) {
  const point = multiplyG(BigInt(secret));
  const d = point.odd ? ORDER - BigInt(secret) : BigInt(secret);
  const sign = (digest, random = new Uint8Array(32)) => {
    const masked = toBigEndian(d ^ bigEndian(aux(random)));
    const k0 = bigEndian(nonce(masked, point.x, digest)) % ORDER;
    const r = multiplyG(k0);
    const k = r.odd ? ORDER - k0 : k0;
    const e = bigEndian(challenge(r.x, point.x, digest)) % ORDER;
    return concat(r.x, toBigEndian((k + e * d) % ORDER));
  };
  return { address: point.x, sign };
}
