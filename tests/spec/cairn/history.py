"""Chapter 6.3: the history, a tree over the blocks before one that sums work and carries difficulty."""

from dataclasses import dataclass

from .notation import ZERO, T, demand, u32, u64


@dataclass(frozen=True, slots=True)
class Node:
    hash: bytes
    work: int
    last_time: int
    first_target: int  # compact
    next_target: int  # compact

    def encode(self):
        work = self.work.to_bytes(32, "big")
        return self.hash + work + u64(self.last_time) + u32(self.first_target) + u32(self.next_target)


def read_node(reader):
    hash, work = reader.take(32), int.from_bytes(reader.take(32), "big")
    return Node(hash, work, reader.u64(), reader.u32(), reader.u32())


def merge(left, right):
    demand(left.next_target == right.first_target, "history-target")
    demand(left.last_time < right.last_time, "history-time")
    work = left.work + right.work
    demand(work < 2**256, "history-work")
    hash = T("cairn/mmr", left.encode() + right.encode())
    return Node(hash, work, right.last_time, left.first_target, right.next_target)


def widths(count):
    """The numbers of blocks under the peaks of history(count), from left to right: its powers of two."""
    return [1 << bit for bit in reversed(range(count.bit_length())) if count >> bit & 1]


def bag(peaks):
    """One node over all peaks: merged from right to left, the left one always first."""
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = merge(peak, root)
    return root


def append(peaks, count, leaf):
    """The peaks of history(count + 1). Every lowest set bit of count is a peak that the new leaf completes."""
    peaks = list(peaks)
    while count & 1:
        leaf = merge(peaks.pop(), leaf)
        count >>= 1
    return peaks + [leaf]


def history_root(count, peaks):
    return T("cairn/history", u64(count) + bag(peaks).encode()) if count else ZERO
