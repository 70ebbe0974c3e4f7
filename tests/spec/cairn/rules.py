"""Chapter 7: what makes a header and a body valid."""

from dataclasses import dataclass

from .blocks import Header, txs_root
from .history import Node, append, history_root
from .notation import ZERO, Broken, demand
from .state import execute
from .targets import compact_of, expand, work
from .transactions import check_signature, check_structure

# 7.4 Faults: what a broken rule proves. All others are proven.
FAULTS = {
    "txs-root": "mutated",
    "parent-unknown": "not-yet",
    "time-ahead": "not-yet",
    "version": "not-yet",
}


def fault(rule):
    return FAULTS.get(rule, "proven")


@dataclass(frozen=True, slots=True)
class Linked:
    """A block whose header is valid: what its children are checked against."""

    header: Header
    id: bytes
    peaks: list  # of the history up to this block, this block included
    total_work: int
    next_target: int  # what a child must have

    @staticmethod
    def genesis(network):
        header = network.genesis()
        leaf = Node(header.id(), 0, header.time, header.target, network.genesis_target)
        return Linked(header, leaf.hash, [leaf], 0, leaf.next_target)


# 7.2 Header


def check_alone(network, header, id):
    """Before the parent is looked up."""
    demand(header.beneficiary != ZERO, "beneficiary")
    target = expand(header.target)
    demand(target <= expand(network.pow_limit), "target-limit")
    demand(int.from_bytes(id, "big") <= target, "work")


def check_header(network, parent, header, now):
    """A header against its parent: the Linked block, or Broken."""
    id = header.id()
    check_alone(network, header, id)
    demand(header.parent == parent.id, "parent-unknown")
    height = parent.header.height + 1
    demand(header.height == height, "height")
    demand(header.target == parent.next_target, "target")
    demand(header.time > parent.header.time, "time")
    demand(header.history_root == history_root(height, parent.peaks), "history-root")
    total_work = parent.total_work + work(header.target)
    demand(total_work < 2**256, "total-work")
    demand(header.time <= now + network.max_future, "time-ahead")
    demand(header.version == network.version_at(height), "version")

    following = next_target(network, height + 1, header.target, header.time - parent.header.time)
    leaf = Node(id, work(header.target), header.time, header.target, following)
    return Linked(header, id, append(parent.peaks, height, leaf), total_work, following)


# 7.3 Body


def check_body(network, state, block):
    """A block whose header is linked, against the state of its parent, which becomes its own; or Broken."""
    txids = [transaction.txid() for transaction in block.transactions]
    demand(block.header.txs_root == txs_root(txids), "txs-root")
    rules = network.rules_at(block.header.height)
    demand(len(block.encode()) <= rules.max_block_bytes, "block-bytes")
    for transaction in block.transactions:
        check_structure(transaction)
    for transaction in block.transactions:
        check_signature(transaction, network.genesis_id)
    try:
        execute(state, network, block)
        demand(state.root() == block.header.state_root, "state-root")
    except Broken:
        state.undo(state.undo_record())
        raise


# 7.5 Difficulty


def next_target(network, height, target, gap):
    """The target of block `height`, from the target of the block before it and that block's distance in time."""
    if height <= 2:
        return network.genesis_target
    d = min(gap, network.half_life)
    e = (d - network.interval) * 65536 // network.half_life
    q = e // 65536
    f = e - 65536 * q
    k = 65536 + (195766423245049 * f + 971821376 * f**2 + 5127 * f**3 + 2**47 >> 48)
    value = expand(target) * k >> 16 - q
    return compact_of(max(1, min(value, expand(network.pow_limit))))
