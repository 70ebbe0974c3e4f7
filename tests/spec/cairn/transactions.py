"""Chapter 4: transactions."""

from dataclasses import dataclass, replace

from . import keys
from .encoding import decode
from .notation import MAX_U64, ZERO, T, demand, sized, u8, u64

VERSION = 1
MAX_OUTPUTS = 1024
MAX_MEMO = 256
MAX_BYTES = 1 + 32 + 5 * 8 + MAX_OUTPUTS * 40 + 8 + MAX_MEMO + 64


@dataclass(frozen=True, slots=True)
class Transaction:
    version: int
    sender: bytes
    nonce: int
    fee: int
    max_price: int
    valid_until: int
    outputs: tuple  # of (to, amount)
    memo: bytes
    signature: bytes

    def body(self):
        numbers = u64(self.nonce) + u64(self.fee) + u64(self.max_price) + u64(self.valid_until)
        outputs = b"".join(to + u64(amount) for to, amount in self.outputs)
        return u8(self.version) + self.sender + numbers + u64(len(self.outputs)) + outputs + sized(self.memo)

    def encode(self):
        return self.body() + self.signature

    def txid(self):
        return T("cairn/txid", self.encode())

    def sighash(self, genesis_id):
        return T("cairn/tx", genesis_id + self.body())

    def signed(self, secret, genesis_id):
        return replace(self, signature=keys.sign(secret, self.sighash(genesis_id)))


def read_transaction(reader):
    return Transaction(
        version=reader.u8(),
        sender=reader.take(32),
        nonce=reader.u64(),
        fee=reader.amount(),
        max_price=reader.amount(),
        valid_until=reader.u64(),
        outputs=tuple(reader.list(MAX_OUTPUTS, lambda: (reader.take(32), reader.amount()))),
        memo=reader.take(reader.count(MAX_MEMO)),
        signature=reader.take(64),
    )


def decode_transaction(data):
    return decode(data, MAX_BYTES, read_transaction)


def check_structure(transaction):
    """Valid by itself, but for the signature: that is checked later, because it costs more."""
    demand(transaction.version == VERSION, "tx-version")
    demand(transaction.sender != ZERO, "tx-sender")
    demand(transaction.nonce != MAX_U64, "tx-nonce-exhausted")
    demand(transaction.outputs, "tx-outputs")
    for to, amount in transaction.outputs:
        demand(amount >= 1, "tx-amount")
        demand(to != ZERO, "tx-receiver")


def check_signature(transaction, genesis_id):
    digest = transaction.sighash(genesis_id)
    demand(keys.verifies(transaction.sender, digest, transaction.signature), "tx-signature")
