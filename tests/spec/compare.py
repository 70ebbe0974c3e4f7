"""Judges what cairn-vectors writes, and ends at the first difference from the ledger's verdict.

Usage: cairn-vectors ... | python compare.py [CASE_FILE]

The lines are described in tests/src/vectors/mod.rs. At a difference the lines since the last network are left in
CASE_FILE: `python compare.py < CASE_FILE` shows it again.
"""

import sys
from collections import Counter
from dataclasses import replace

from cairn import keys, light, rules, state, targets
from cairn.blocks import decode_block
from cairn.encoding import DECODE, decode
from cairn.history import history_root
from cairn.networks import Rules, read_params, read_upgrades
from cairn.notation import ZERO, Broken


def unhex(word):
    return b"" if word == "-" else bytes.fromhex(word)


class Judge:
    """The specification's side: a chain, and a method for each kind of line, which gives its verdict."""

    def __init__(self):
        self.refusals = Counter()

    def parameters(self, params, upgrades):
        params, upgrades = unhex(params), unhex(upgrades)
        network = decode(params, len(params), read_params)
        return replace(network, upgrades=decode(upgrades, len(upgrades), read_upgrades))

    def network(self, params, upgrades):
        self.chain = self.parameters(params, upgrades)
        self.chain.check()
        self.accounts = state.State(self.chain.allocations)
        self.tips = [rules.Linked.genesis(self.chain)]
        self.records = []
        return self.chain.genesis().encode().hex()

    def refused(self, params, upgrades):
        try:
            self.parameters(params, upgrades).check()
        except Broken:
            return ""
        return "accepted"

    def block(self, now, data):
        try:
            block = decode_block(unhex(data))
            linked = rules.check_header(self.chain, self.tips[-1], block.header, int(now))
            rules.check_body(self.chain, self.accounts, block)
        except Broken as broken:
            return broken.rule
        self.tips.append(linked)
        self.records.append(self.accounts.undo_record())
        child = linked.header.height + 1
        root, history = self.accounts.root().hex(), history_root(child, linked.peaks).hex()
        version = self.chain.version_at(child)
        return f"valid {root} {history} {linked.total_work} {version} {linked.next_target:08x}"

    def undo(self):
        self.tips.pop()
        record = self.records.pop()
        self.accounts.undo(record)
        assert self.accounts.root() == self.tips[-1].header.state_root
        return record.hex()

    def account(self, root, address, proof):
        try:
            leaf = state.check_proof(unhex(proof), unhex(root), unhex(address))
        except Broken as broken:
            return broken.rule
        return f"account {leaf.balance} {leaf.nonce}" if leaf else "absent"

    def light(self, tip, random, now, proof):
        try:
            proof = light.decode_light_proof(unhex(proof))
            r = unhex(random)
            each = light.KEPT if r == ZERO else light.SAMPLES
            verified = light.verify(self.chain, unhex(tip), r, proof, int(now), each)
        except Broken as broken:
            return self.refusal(broken)
        return f"valid {verified.total_work} {verified.settled.height if verified.settled else '-'}"

    def receipt(self, now, data):
        try:
            mined = light.verify_receipt(self.chain, light.decode_receipt(unhex(data)), int(now))
        except Broken as broken:
            return self.refusal(broken)
        return f"valid {mined.block.hex()} {mined.height} {mined.confirmations} {mined.total_work} {mined.work_above}"

    def refusal(self, broken):
        """The text gives no order to the checks of a proof, so their names are counted, not compared."""
        self.refusals[broken.rule] += 1
        return "decode" if broken.rule == DECODE else "refused"

    def tile(self, first, following, blocks, time):
        least, easier, harder = light.bounds(self.chain, int(first, 16), int(following, 16), int(blocks), int(time))
        return f"{least} {easier} {harder}" if least < 2**256 else "refused"

    def compact(self, bits):
        try:
            return str(targets.work(int(bits)))
        except Broken:
            return "refused"

    def next(self, interval, half_life, limit, target, gap):
        network = replace(self.chain, interval=int(interval), half_life=int(half_life), pow_limit=int(limit, 16))
        return f"{rules.next_target(network, 3, int(target, 16), int(gap)):08x}"

    def address(self, prefix, text):
        try:
            return keys.parse_address(prefix, unhex(text).decode()).hex()
        except Broken:
            return "refused"


# How many words of each kind of line are the question; the rest is the ledger's answer.
QUESTION = {
    "network": 2,
    "refused": 2,
    "block": 2,
    "undo": 0,
    "account": 3,
    "light": 4,
    "receipt": 2,
    "tile": 4,
    "compact": 1,
    "next": 5,
    "address": 2,
}


def main():
    case_file = sys.argv[1] if len(sys.argv) > 1 else None
    judge, case, seen = Judge(), [], Counter()
    for line in sys.stdin:
        kind, *words = line.split()
        case = [line] if kind == "network" else case + [line] if kind in ("block", "undo") else case
        question, expected = words[: QUESTION[kind]], " ".join(words[QUESTION[kind] :])
        got = answer(getattr(judge, kind), question)
        if got != expected:
            report(kind, question, got, expected)
            if case_file:
                with open(case_file, "w") as file:
                    file.writelines(case if case and case[-1] is line else case + [line])
                print(f"python compare.py < {case_file}   shows it again")
            sys.exit(1)
        seen[kind, expected.split(" ")[0] if kind in ("block", "account", "light", "receipt") else ""] += 1
    for (kind, verdict), count in sorted(seen.items()):
        print(f"{count:8} {kind} {verdict}")
    for rule, count in sorted(judge.refusals.items()):
        print(f"{count:8} proofs refused for {rule}")


def answer(judge, question):
    """A rule that is broken where none may be, or a failure of the specification itself, is a difference, too."""
    try:
        return judge(*question)
    except Broken as broken:
        return f"broken {broken}"
    except (ArithmeticError, AssertionError, LookupError, ValueError) as error:
        return f"failed with {error!r}"


def report(kind, question, got, expected):
    print(f"The ledger and the specification differ on a {kind}:")
    for word in question:
        print(f"  {word}")
    print(f"ledger:        {expected}")
    print(f"specification: {got}")


if __name__ == "__main__":
    main()
