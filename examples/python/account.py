#!/usr/bin/env python3
"""Shows what an address has, as one line of JSON.

Usage: account.py URL ADDRESS

Asks two things in one request. What the node refuses ends the program with 1, and says why by the error's code.
"""

import json
import sys

import httpx
from jsonrpcclient import Error, Ok, parse, request


def main():
    url, address = sys.argv[1:]
    asked = [request("node_info"), request("state_getAccount", params={"address": address})]
    answer = httpx.post(url, json=asked, timeout=30)
    answer.raise_for_status()
    # A batch may be answered in any order.
    answers = {one.id: one for one in parse(answer.json())}
    info, account = (answers[one["id"]] for one in asked)
    for one in (info, account):
        if isinstance(one, Error):
            sys.exit(f"error {one.code} ({one.data['kind']}): {one.message}")
    assert isinstance(info, Ok) and isinstance(account, Ok)
    shown = {
        "chain": info.result["chain"],
        "height": account.result["height"],
        "balance": account.result["balance"],
        # What paying it costs on top when it has no account yet.
        "price": "0" if account.result["exists"] else info.result["rules"]["account_price"],
        "next_nonce": account.result["pending"]["nonce"],
    }
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
