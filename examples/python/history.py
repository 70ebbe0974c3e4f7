#!/usr/bin/env python3
"""Tells what touched an address, the last first: a line with height, what it sent and what it received, in pebbles.

Usage: history.py URL ADDRESS

The node needs index.addresses = true. Pages stay as they are when blocks come; when the chain was reorganised below what
was told, the whole is told anew.
"""

import sys

import httpx
from jsonrpcclient import Error, parse, request

PAGE = 50


def page(client, url, address, before):
    asked = request("state_getHistory", params={"address": address, "before": before, "count": PAGE})
    answer = parse(client.post(url, json=asked).raise_for_status().json())
    if isinstance(answer, Error):
        sys.exit(f"error {answer.code} ({answer.data['kind']}): {answer.message}")
    return answer.result


def history(client, url, address):
    """All entries; a page that names a reorganisation begins them anew."""
    entries, before = [], None
    while True:
        got = page(client, url, address, before)
        if got["reorganised_above"] is not None:
            entries, before = [], None
            continue
        entries += got["entries"]
        before = got["next"]
        if before is None:
            return entries


def main():
    url, address = sys.argv[1:]
    with httpx.Client(timeout=30) as client:
        for entry in history(client, url, address):
            print(entry["height"], entry["sent"], entry["received"])


if __name__ == "__main__":
    main()
