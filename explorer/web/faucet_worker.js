// Works for a coin: looks for a nonce whose hash begins with so many zero bits, and tells how it gets on.
//
// work = T("cairn/faucet/work", challenge || nonce), the nonce as eight bytes, the least first: docs/wallet.md, Faucet.

import { tagged } from './light/sha256.js';

// Between two words to the page, about: often enough for a bar, and seldom enough to cost nothing.
const TELL_MS = 150;

const challenge = new Uint8Array(32);
const nonce = new Uint8Array(8);
let hash = null;
let next = 0;

function zeros(bytes) {
  let count = 0;
  for (const byte of bytes) {
    if (byte !== 0) return count + Math.clz32(byte) - 24;
    count += 8;
  }
  return count;
}

// Looks on from where it stopped, for TELL_MS; gives the nonce, or nothing yet.
function look(bits) {
  const until = performance.now() + TELL_MS;
  do {
    for (let i = 0; i < 512; i += 1) {
      const found = next;
      next += 1;
      for (let at = 0, rest = found; at < 8; at += 1, rest = Math.floor(rest / 256)) nonce[at] = rest & 255;
      if (zeros(hash(challenge, nonce)) >= bits) return found;
    }
  } while (performance.now() < until);
  return null;
}

self.addEventListener('message', ({ data }) => {
  if (data.challenge !== undefined) {
    for (let i = 0; i < 32; i += 1) challenge[i] = Number.parseInt(data.challenge.slice(2 * i, 2 * i + 2), 16);
    hash = tagged(data.tag);
    next = 0;
  }
  const began = performance.now();
  const first = next;
  for (;;) {
    const found = look(data.bits);
    self.postMessage({ tried: next - first, ms: performance.now() - began, found });
    if (found !== null) return;
  }
});
