"""Chapters 6.1 and 6.2: header, block and txs_root."""

from dataclasses import dataclass, field

from .encoding import decode
from .notation import H, T, u16, u32, u64
from .transactions import read_transaction

HEADER_BYTES = 190
# The greatest max_block_bytes that a network may have (8): what a decoder of blocks goes by.
LARGEST_BLOCK = 3 << 20


@dataclass(frozen=True, slots=True)
class Header:
    version: int
    height: int
    parent: bytes
    time: int
    target: int  # compact
    beneficiary: bytes
    txs_root: bytes
    state_root: bytes
    history_root: bytes
    nonce: int

    def without_nonce(self):
        start = u16(self.version) + u64(self.height) + self.parent + u64(self.time) + u32(self.target)
        return start + self.beneficiary + self.txs_root + self.state_root + self.history_root

    def encode(self):
        return self.without_nonce() + u64(self.nonce)

    def seal(self):
        return T("cairn/seal", self.without_nonce())

    def id(self):
        return H(H(self.seal() + u64(self.nonce)))


def read_header(reader):
    return Header(
        version=reader.u16(),
        height=reader.u64(),
        parent=reader.take(32),
        time=reader.u64(),
        target=reader.u32(),
        beneficiary=reader.take(32),
        txs_root=reader.take(32),
        state_root=reader.take(32),
        history_root=reader.take(32),
        nonce=reader.u64(),
    )


def decode_header(data):
    return decode(data, HEADER_BYTES, read_header)


@dataclass(frozen=True, slots=True)
class Block:
    header: Header
    transactions: list = field(default_factory=list)

    def encode(self):
        transactions = b"".join(transaction.encode() for transaction in self.transactions)
        return self.header.encode() + u64(len(self.transactions)) + transactions


def read_block(reader):
    return Block(read_header(reader), reader.list(LARGEST_BLOCK, lambda: read_transaction(reader)))


def decode_block(data):
    return decode(data, LARGEST_BLOCK, read_block)


def txs_root(txids):
    """RFC 6962, split at the largest power of two below the length."""
    if not txids:
        return H(b"")
    if len(txids) == 1:
        return H(b"\x00" + txids[0])
    k = 1 << (len(txids) - 1).bit_length() - 1
    return H(b"\x01" + txs_root(txids[:k]) + txs_root(txids[k:]))
