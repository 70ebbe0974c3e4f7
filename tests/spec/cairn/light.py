"""Chapter 10: light proofs, what a wallet checks."""

from bisect import bisect_right
from dataclasses import dataclass, field

from .blocks import Header, read_header
from .encoding import decode
from .history import Node, bag, history_root, merge, read_node
from .notation import ZERO, H, T, demand, u8, u32, u64
from .rules import Linked, check_alone, check_header, next_target
from .targets import expand, work
from .transactions import Transaction, check_signature, check_structure, read_transaction

TAIL = 512
SAMPLES = 56  # in each octave
MOST_OCTAVES = 64
MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class LightProof:
    """Headers s to tip; the opened headers below s, ascending; the nodes between them, from left to right."""

    tail: list
    opened: list
    nodes: list

    def encode(self):
        parts = self.tail, self.opened, self.nodes
        return b"".join(u64(len(part)) + b"".join(element.encode() for element in part) for part in parts)


def read_light_proof(reader):
    tail = reader.list(MOST_BYTES, lambda: read_header(reader))
    opened = reader.list(MOST_BYTES, lambda: read_header(reader))
    return LightProof(tail, opened, reader.list(MOST_BYTES, lambda: read_node(reader)))


def decode_light_proof(data):
    return decode(data, MOST_BYTES, read_light_proof)


def tail_start(height):
    return max(0, height - TAIL)


# Samples


def seed(tip_id, r):
    return T("cairn/sample", tip_id + r)


def offsets(seed, below, total, each):
    """Where samples fall in the work: octaves of distance from the tip, with `each` offsets."""
    i = 1
    while True:
        low, high = total - (total >> i - 1), min(below, total - (total >> i))
        if low >= high:
            return
        demand(i <= MOST_OCTAVES, "octaves")
        for j in range(each):
            yield low + int.from_bytes(T("cairn/offset", seed + u64(i) + u64(j)), "big") % (high - low)
        i += 1


# Every node that is opened is plausible. Fixed point: a number is this many times 2^-32.

ONE = 1 << 32


def lg(target):
    """log2 of a target in fixed point, rounded down, from its highest 64 bits."""
    bits = target.bit_length()
    x = target << 64 - bits if bits <= 64 else target >> bits - 64
    result = (bits - 1) << 32
    for i in reversed(range(32)):
        x = x * x >> 63
        if x >= 1 << 64:
            result, x = result + (1 << i), x >> 1
    return result


def step(network):
    """By how much the target falls in a block at most, in fixed point: rho, and sigma with what rounding adds."""
    rho = network.interval * ONE // network.half_life
    return rho, rho + (1 << 21)


def least_work(network, first_target, n):
    """That of n blocks of which the first has the target `first_target`: a step less than doubles a target."""
    least = work(network.pow_limit)
    halved = n if n < 256 else 256  # from there on nothing is left of any work
    return sum(max(least, work(first_target) >> j) for j in range(halved)) + (n - halved) * least


def least_work_back(network, next_target, n):
    """That of n blocks after which `next_target` is demanded: it falls by sigma a block at most."""
    least, (_, sigma) = work(network.pow_limit), step(network)
    total = before = 0
    for g in range(1, 257):
        upto = min(n, g * ONE // sigma)
        total, before = total + (upto - before) * max(least, work(next_target) >> g), upto
    return total + (n - before) * least


def bounds(network, first_target, next_target, n, elapsed):
    """The least work of n > 1 blocks, and between what the logarithm of their target changes."""
    work = max(least_work(network, first_target, n), least_work_back(network, next_target, n))
    rho, sigma = step(network)
    risen = min(elapsed * ONE // network.half_life, n * ONE)
    return work, risen - n * rho + n * (1 << 20), -n * sigma


def check_plausible(network, node, n, since):
    """A tile of n blocks, after one that ended at the time `since`, without a header."""
    first, following = expand(node.first_target), expand(node.next_target)
    limit = expand(network.pow_limit)
    demand(first <= limit and following <= limit, "tile-target")
    elapsed = node.last_time - since
    demand(elapsed >= n, "tile-time")
    if n == 1:
        demand(node.work == work(node.first_target), "tile-work")
        demand(node.next_target == next_target(network, 3, node.first_target, elapsed), "tile-difficulty")
        return
    least, easier, harder = bounds(network, node.first_target, node.next_target, n, elapsed)
    demand(node.work >= least, "tile-work")
    demand(harder <= lg(following) - lg(first) <= easier, "tile-difficulty")


# The walk over blocks 0 to s - 1


@dataclass(slots=True)
class Walk:
    """What was opened so far, from the left: `peaks` are those of history(count)."""

    network: object
    peaks: list
    count: int
    last: Node  # the last tile
    last_width: int
    header: Header  # the last one opened
    spans: dict = field(default_factory=dict)  # of opened blocks: the work left of it, and its own

    @staticmethod
    def begin(network):
        genesis = Linked.genesis(network)
        return Walk(network, list(genesis.peaks), 1, genesis.peaks[0], 1, genesis.header)

    def add(self, node, width):
        """A tile: an aligned, complete tree. Its joins to those before it are merges."""
        demand(self.last.next_target == node.first_target, "history-target")
        demand(self.last.last_time < node.last_time, "history-time")
        size, merged = width, node
        while self.count & size:
            merged = merge(self.peaks.pop(), merged)
            size *= 2
        self.peaks.append(merged)
        self.count, self.last, self.last_width = self.count + width, node, width

    def add_node(self, node, width):
        if self.count == 1 and width == 1:
            demand(node.work == work(node.first_target), "tile-work")
            demand(node.next_target == self.network.genesis_target, "tile-difficulty")
        else:
            check_plausible(self.network, node, width, self.last.last_time)
        self.add(node, width)

    def add_header(self, header):
        """An opened header: it fits the history before it, and its leaf follows from that and from itself."""
        id = header.id()
        self.check_fits(header, id)
        gap = header.time - self.last.last_time
        following = next_target(self.network, self.count + 1, header.target, gap)
        leaf = Node(id, work(header.target), header.time, header.target, following)
        self.spans[self.count] = bag(self.peaks).work, leaf.work
        self.add(leaf, 1)
        self.header = header

    def check_fits(self, header, id):
        check_alone(self.network, header, id)
        demand(header.height == self.count, "opened-height")
        demand(self.last_width > 1 or header.parent == self.last.hash, "opened-parent")
        demand(header.target == self.last.next_target, "opened-target")
        demand(header.time > self.last.last_time, "opened-time")
        demand(header.history_root == history_root(self.count, self.peaks), "opened-history")
        demand(header.version == self.network.version_at(self.count), "version")


def widest(start, end):
    """The widest aligned tree that begins at `start` and does not reach beyond `end`."""
    width = start & -start
    while start + width > end:
        width //= 2
    return width


def walk(network, proof, end):
    """Opens blocks 0 to end - 1."""
    walked, nodes = Walk.begin(network), iter(proof.nodes)
    for header in proof.opened + [None]:
        height = header.height if header else end
        demand(walked.count <= height <= end, "opened-height")
        while walked.count < height:
            width, node = widest(walked.count, height), next(nodes, None)
            demand(node is not None, "nodes")
            walked.add_node(node, width)
        if header:
            walked.add_header(header)
    demand(next(nodes, None) is None, "nodes")
    demand(walked.header.height == end - 1, "opened-height")
    return walked


# The whole proof


@dataclass(frozen=True, slots=True)
class Verified:
    tip: Header
    total_work: int
    settled: Header | None  # from where an account may be read


def verify(network, tip_id, r, proof, now, each=SAMPLES):
    """What a proof proves of a tip, drawn with r; or Broken."""
    demand(proof.tail, "tail")
    tip = proof.tail[-1]
    demand(tip.id() == tip_id, "tip")
    start = tail_start(tip.height)
    demand(len(proof.tail) == tip.height - start + 1, "tail")
    if start == 0:
        links = check_whole_chain(network, proof, now)
    else:
        walked = walk(network, proof, start)
        links = linked_after(network, walked, proof.tail, now)
        check_samples(walked, seed(tip_id, r), links[-1].total_work, each)
    return Verified(tip, links[-1].total_work, settled(links))


def check_whole_chain(network, proof, now):
    """A chain no longer than the tail begins at block 0 itself, and there is no history to open."""
    demand(not proof.opened and not proof.nodes, "opened-height")
    links = [Linked.genesis(network)]
    demand(proof.tail[0] == links[0].header, "genesis")
    for header in proof.tail[1:]:
        links.append(check_header(network, links[-1], header, now))
    return links


def linked_after(network, walked, tail, now):
    """The blocks of the tail, each checked as a full node checks it, from the block before them on."""
    parent = Linked(walked.header, walked.last.hash, walked.peaks, bag(walked.peaks).work, walked.last.next_target)
    links = []
    for header in tail:
        parent = check_header(network, parent, header, now)
        links.append(parent)
    return links


def check_samples(walked, seed, total, each):
    """Every sample falls on an opened block, and nothing else is opened."""
    below, start = bag(walked.peaks).work, walked.count
    wanted = {start - 1, start - 2}
    for offset in offsets(seed, below, total, each):
        hit = [height for height, (left, own) in walked.spans.items() if left <= offset < left + own]
        demand(hit, "sample")
        wanted |= {hit[0], hit[0] - 1, hit[0] - 2}
    demand(set(walked.spans) == {height for height in wanted if height > 0}, "sample")


def settled(links):
    """The newest header with at least 6 blocks above it, and 6 times its own and the chain's average work."""
    tip = links[-1]
    for linked in reversed(links):
        blocks = tip.header.height - linked.header.height
        own = work(linked.header.target) if linked.header.height else 0
        most = max(own, tip.total_work // max(1, tip.header.height))
        if blocks >= 6 and tip.total_work - linked.total_work >= 6 * most:
            return linked.header
    return None


# 10.6 Receipts

KEPT = 96  # samples in each octave


@dataclass(frozen=True, slots=True)
class TransactionProof:
    """A transaction, its block's header, and that block's place under a tip."""

    header: Header
    transaction: Transaction
    count: int  # of the block's transactions
    index: int
    path: list  # to txs_root, from the leaf upward
    place: tuple | None  # the leaf's next target, and the siblings on the way to the tip's history_root; None: the tip

    def encode(self):
        path = u64(self.count) + u64(self.index) + u64(len(self.path)) + b"".join(self.path)
        return self.header.encode() + self.transaction.encode() + path + self.encode_place()

    def encode_place(self):
        if self.place is None:
            return u8(0)
        next_target, siblings = self.place
        return u8(1) + u32(next_target) + u64(len(siblings)) + b"".join(node.encode() for node in siblings)


@dataclass(frozen=True, slots=True)
class Receipt:
    tip_id: bytes
    proof: LightProof
    mined: TransactionProof


@dataclass(frozen=True, slots=True)
class Mined:
    block: bytes
    height: int
    confirmations: int
    total_work: int
    work_above: int


def read_receipt(reader):
    return Receipt(reader.take(32), read_light_proof(reader), read_transaction_proof(reader))


def read_transaction_proof(reader):
    header, transaction = read_header(reader), read_transaction(reader)
    count, index = reader.u64(), reader.u64()
    path = reader.list(64, lambda: reader.take(32))
    return TransactionProof(header, transaction, count, index, path, read_place(reader))


def read_place(reader):
    present = reader.u8()
    demand(present <= 1, "decode")
    return (reader.u32(), reader.list(128, lambda: read_node(reader))) if present else None


def decode_receipt(data):
    return decode(data, 2 * MOST_BYTES, read_receipt)


def verify_receipt(network, receipt, now):
    verified = verify(network, receipt.tip_id, ZERO, receipt.proof, now, KEPT)
    return verify_mined(network, receipt.mined, verified)


def verify_mined(network, mined, verified):
    """That a transaction is signed for this network, and in a block of the chain up to a verified tip."""
    check_structure(mined.transaction)
    check_signature(mined.transaction, network.genesis_id)
    root = path_root(mined.transaction.txid(), mined.index, mined.count, mined.path)
    demand(root == mined.header.txs_root, "receipt-path")
    block, height = mined.header.id(), mined.header.height
    above = verified.total_work - work_up_to(mined, block, verified)
    return Mined(block, height, verified.tip.height - height + 1, verified.total_work, above)


def work_up_to(mined, block, verified):
    """That of the chain up to the transaction's block, which stands in the history of the tip or is the tip."""
    header, tip = mined.header, verified.tip
    if mined.place is None:
        demand(header == tip, "receipt-place")
        return verified.total_work
    next_target, siblings = mined.place
    demand(header.height < tip.height, "receipt-place")
    leaf = Node(block, work(header.target), header.time, header.target, next_target)
    lefts = sides(header.height, tip.height)
    root = climb(leaf, siblings, lefts, merge)
    demand(T("cairn/history", u64(tip.height) + root.encode()) == tip.history_root, "receipt-place")
    return sum(node.work for node, left in zip(siblings, lefts) if left) + leaf.work


def sides(index, count):
    """Whether each sibling of leaf `index` of `count`, from the leaf upward, stands to the left (RFC 6962)."""
    if count == 1:
        return []
    k = 1 << (count - 1).bit_length() - 1
    return sides(index, k) + [False] if index < k else sides(index - k, count - k) + [True]


def climb(node, siblings, lefts, join):
    demand(len(siblings) == len(lefts), "path-length")
    for sibling, left in zip(siblings, lefts):
        node = join(sibling, node) if left else join(node, sibling)
    return node


def path_root(txid, index, count, path):
    demand(index < count, "receipt-path")
    return climb(H(b"\x00" + txid), path, sides(index, count), lambda left, right: H(b"\x01" + left + right))


# What a node sends


def prove(network, headers, r, each=SAMPLES):
    """The light proof of the last of these headers, block 0 first."""
    tip, leaves = headers[-1], leaves_of(network, headers)
    start = tail_start(tip.height)
    if start == 0:
        return LightProof(headers, [], [])
    starts = [0]
    for leaf in leaves:
        starts.append(starts[-1] + leaf.work)
    wanted = {start - 1, start - 2}
    for offset in offsets(seed(tip.id(), r), starts[start], starts[-1], each):
        height = bisect_right(starts, offset) - 1
        wanted |= {height, height - 1, height - 2}
    heights = sorted(height for height in wanted if height > 0)
    nodes, at = [], 1
    for height in heights:
        while at < height:
            nodes.append(tree(leaves, at, widest(at, height)))
            at += widest(at, height)
        at += 1
    return LightProof(headers[start:], [headers[height] for height in heights], nodes)


def leaves_of(network, headers):
    leaves = list(Linked.genesis(network).peaks)
    for before, header in zip(headers, headers[1:]):
        following = next_target(network, header.height + 1, header.target, header.time - before.time)
        leaves.append(Node(header.id(), work(header.target), header.time, header.target, following))
    return leaves


def tree(leaves, start, width):
    """R(start, start + width) of an aligned tree."""
    nodes = leaves[start : start + width]
    while len(nodes) > 1:
        nodes = [merge(left, right) for left, right in zip(nodes[::2], nodes[1::2])]
    return nodes[0]
