#!/usr/bin/env python3
"""Follows the chain: a line with height and id for each block that comes, "-" before those that leave.

Usage: follow.py URL BLOCKS [SINCE]

URL begins with ws:// or wss://. Ends after so many blocks. With SINCE, the id of a block, it begins with what happened
since: whoever keeps the last id that was printed misses nothing, however long they were away.
"""

import json
import sys

from jsonrpcclient import Error, parse, request
from websockets.sync.client import connect


def main():
    url, blocks, since = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or [None])[0]
    # A node pings its subscribers; the library answers.
    with connect(url) as socket:
        socket.send(json.dumps(request("chain_subscribeMoves", params={"since": since})))
        answer = parse(json.loads(socket.recv()))
        if isinstance(answer, Error):
            sys.exit(f"error {answer.code}: {answer.message}")
        print("following", file=sys.stderr, flush=True)
        while blocks > 0:
            move = json.loads(socket.recv())["params"]["result"]
            for header in move["disconnected"]:
                print("-", header["height"], header["id"], flush=True)
            for header in move["connected"]:
                print(header["height"], header["id"], flush=True)
            blocks -= len(move["connected"])


if __name__ == "__main__":
    main()
