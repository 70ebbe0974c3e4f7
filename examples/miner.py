#!/usr/bin/env python3
"""Mines one block with a Cairn node's work: mining_getTemplate, a search, mining_submit.

Usage: miner.py URL TOKEN_FILE BENEFICIARY

TOKEN_FILE holds a token with the scope `mine`, or is the node's own admin.token. Python's standard library is all
it needs. It is an example: it searches on one core and asks for new work every few seconds.
"""

import hashlib
import json
import struct
import sys
import time
import urllib.request

RENEW_SECONDS = 5


def call(url, token, method, params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as response:
        return json.load(response)


def threshold(compact):
    """A target from its compact form: one byte of exponent, three of mantissa."""
    bits = int(compact, 16)
    exponent, mantissa = bits >> 24, bits & 0xFFFFFF
    shift = 8 * (exponent - 3)
    return mantissa << shift if shift >= 0 else mantissa >> -shift


def search(work):
    """A nonce that solves the work, or None when it is time to ask for newer work."""
    seal, target = bytes.fromhex(work["seal"]), threshold(work["target"])
    deadline = time.monotonic() + RENEW_SECONDS
    nonce = 0
    while nonce % 4096 or time.monotonic() < deadline:
        inner = hashlib.sha256(seal + struct.pack("<Q", nonce)).digest()
        if int.from_bytes(hashlib.sha256(inner).digest(), "big") <= target:
            return nonce
        nonce += 1
    return None


def main():
    url, token_file, beneficiary = sys.argv[1:]
    with open(token_file, encoding="ascii") as file:
        token = file.read().strip()
    while True:
        answer = call(url, token, "mining_getTemplate", [beneficiary])
        if "error" in answer:
            sys.exit(answer["error"]["message"])
        work = answer["result"]
        nonce = search(work)
        if nonce is None:
            continue
        answer = call(url, token, "mining_submit", [work["seal"], str(nonce)])
        if "result" in answer:
            print(answer["result"]["block"])
            return
        # Somebody else was faster: there is new work.
        print(answer["error"]["message"], file=sys.stderr)


if __name__ == "__main__":
    main()
