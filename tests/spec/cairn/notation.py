"""Chapter 1: notation and units."""

import hashlib

MAX_AMOUNT = 2**53 - 1
MAX_U64 = 2**64 - 1
ZERO = bytes(32)


def H(data):
    return hashlib.sha256(data).digest()


_midstates = {}


def T(tag, message):
    """The tagged hash of BIP340: H(H(tag) || H(tag) || message)."""
    if tag not in _midstates:
        _midstates[tag] = hashlib.sha256(H(tag.encode()) * 2)
    hasher = _midstates[tag].copy()
    hasher.update(message)
    return hasher.digest()


def u8(value):
    return value.to_bytes(1, "little")


def u16(value):
    return value.to_bytes(2, "little")


def u32(value):
    return value.to_bytes(4, "little")


def u64(value):
    return value.to_bytes(8, "little")


def sized(data):
    """Bytes with their length before them."""
    return u64(len(data)) + data


class Broken(Exception):
    """A rule that an object breaks, by the rule's short name."""

    def __init__(self, rule, detail=""):
        super().__init__(f"{rule}: {detail}" if detail else rule)
        self.rule = rule


def demand(condition, rule, detail=""):
    if not condition:
        raise Broken(rule, detail)
