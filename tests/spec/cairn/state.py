"""Chapter 5: state."""

from bisect import bisect_left
from dataclasses import dataclass

from .encoding import decode
from .notation import ZERO, H, T, demand, u64

# 5.1 The tree of accounts


@dataclass(frozen=True, slots=True)
class Account:
    address: bytes
    next: bytes
    balance: int
    nonce: int

    def encode(self):
        return self.address + self.next + u64(self.balance) + u64(self.nonce)

    def leaf_hash(self):
        return H(b"\x00" + self.encode())


def node_hash(left, right):
    return H(b"\x01" + left + right)


MISSING = [ZERO]  # by level: a missing leaf, and the nodes above missing leaves
for _ in range(64):
    MISSING.append(node_hash(MISSING[-1], MISSING[-1]))


def depth(count):
    """The least d with 2^d >= count."""
    return (count - 1).bit_length()


def state_root(count, root):
    return T("cairn/state", u64(count) + root)


SENTINEL = Account(ZERO, ZERO, 0, 0)


class State:
    """Accounts in order of creation. `before` is the undo record in the making (5.4)."""

    def __init__(self, allocations=()):
        self.accounts = [SENTINEL]
        self.index = {ZERO: 0}
        self.sorted = [ZERO]
        self.levels = [[SENTINEL.leaf_hash()]]
        self.changed = set()
        self.begin()
        for address, amount in allocations:
            self.credit(address, amount)

    def begin(self):
        self.old_count = len(self.accounts)
        self.before = {}

    def __contains__(self, address):
        return address in self.index

    def account(self, address):
        return self.accounts[self.index[address]]

    def put(self, index, account):
        if index < self.old_count:
            self.before.setdefault(index, self.accounts[index])
        self.accounts[index] = account
        self.changed.add(index)

    def change(self, address, balance=0, nonce=0):
        old = self.account(address)
        self.put(self.index[address], Account(address, old.next, old.balance + balance, old.nonce + nonce))

    def append(self, address, balance):
        """A new leaf, with the next address of the leaf below it, which then names the new one."""
        place = bisect_left(self.sorted, address)
        below = self.account(self.sorted[place - 1])
        self.put(self.index[below.address], Account(below.address, address, below.balance, below.nonce))
        self.sorted.insert(place, address)
        self.index[address] = len(self.accounts)
        self.changed.add(len(self.accounts))
        self.accounts.append(Account(address, below.next, balance, 0))

    def credit(self, address, amount):
        """A credit of nothing changes and creates nothing."""
        if amount > 0 and address in self:
            self.change(address, balance=amount)
        elif amount > 0:
            self.append(address, amount)

    def node(self, level, index):
        nodes = self.levels[level]
        return nodes[index] if index < len(nodes) else MISSING[level]

    def root(self):
        """Hashes what changed, level by level. A leaf that was appended or taken away changes all above its place."""
        count = len(self.accounts)
        hashes = {index: self.accounts[index].leaf_hash() for index in self.changed if index < count}
        self.changed = set()
        for level in range(depth(count) + 1):
            if level == len(self.levels):
                self.levels.append([])
            nodes = self.levels[level]
            del nodes[(count - 1 >> level) + 1 :]
            for index in sorted(hashes):
                nodes[index : index + 1] = [hashes[index]]
            parents = {index >> 1 for index in hashes}
            hashes = {i: node_hash(self.node(level, 2 * i), self.node(level, 2 * i + 1)) for i in parents}
        return state_root(count, self.levels[depth(count)][0])

    # 5.2 Proofs

    def prove(self, address):
        """The leaf of an address, or the leaf below an absent one, with its siblings from the leaf upward."""
        self.root()
        place = bisect_left(self.sorted, address)
        known = place < len(self.sorted) and self.sorted[place] == address
        index = self.index[self.sorted[place if known else place - 1]]
        siblings = [self.node(level, index >> level ^ 1) for level in range(depth(len(self.accounts)))]
        return Proof(len(self.accounts), index, self.accounts[index], siblings)

    # 5.4 Taking a block back

    def undo_record(self):
        changes = sorted(self.before.items())
        leaves = b"".join(u64(index) + account.encode() for index, account in changes)
        return u64(self.old_count) + u64(len(changes)) + leaves

    def undo(self, record):
        count, changes = decode(record, len(record), read_undo_record)
        for account in self.accounts[count:]:
            del self.index[account.address]
            del self.sorted[bisect_left(self.sorted, account.address)]
        del self.accounts[count:]
        self.changed.add(count - 1)
        for index, account in changes:
            self.accounts[index] = account
            self.changed.add(index)
        self.begin()


RUN = 4096  # leaves


def run(accounts, number):
    """Run `number` of a state, with the siblings of the node over it from there upward."""
    count = len(accounts)
    leaves = accounts[RUN * number : RUN * (number + 1)]
    level = [account.leaf_hash() for account in accounts]
    siblings = []
    for height in range(depth(count)):
        if height >= 12:
            sibling = (number >> height - 12) ^ 1
            siblings.append(level[sibling] if sibling < len(level) else MISSING[height])
        level += [MISSING[height]] * (len(level) % 2)
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    parts = [u64(count), u64(number), u64(len(leaves)), *(leaf.encode() for leaf in leaves)]
    return b"".join([*parts, u64(len(siblings)), *siblings])


def read_account(reader):
    return Account(reader.take(32), reader.take(32), reader.amount(), reader.u64())


def read_undo_record(reader):
    return reader.u64(), reader.list(2**32, lambda: (reader.u64(), read_account(reader)))


@dataclass(frozen=True, slots=True)
class Proof:
    count: int
    index: int
    leaf: Account
    siblings: list

    def encode(self):
        siblings = u64(len(self.siblings)) + b"".join(self.siblings)
        return u64(self.count) + u64(self.index) + self.leaf.encode() + siblings

    def state_root(self):
        demand(self.index < self.count, "proof-index")
        demand(len(self.siblings) == depth(self.count), "proof-depth")
        node = self.leaf.leaf_hash()
        for j, sibling in enumerate(self.siblings):
            node = node_hash(sibling, node) if self.index >> j & 1 else node_hash(node, sibling)
        return state_root(self.count, node)


def read_proof(reader):
    return Proof(reader.u64(), reader.u64(), read_account(reader), reader.list(64, lambda: reader.take(32)))


def check_proof(data, root, address):
    """The account at an address under a state root, or None where there is none."""
    proof = decode(data, 16 + 80 + 8 + 64 * 32, read_proof)
    leaf = proof.leaf
    demand(proof.state_root() == root, "proof-root")
    demand(address != ZERO, "proof-address")
    if leaf.address == address:
        return leaf
    demand(leaf.address < address and (address < leaf.next or leaf.next == ZERO), "proof-address")
    return None


# 5.3 Executing a block


def subsidy(network, height):
    k = height // network.halving
    return 0 if height == 0 or k >= 64 else network.subsidy >> k


def execute(state, network, block):
    """Applies a block; the caller takes back what a broken rule left half done."""
    state.begin()
    height = block.header.height
    rules = network.rules_at(height)
    for transaction in block.transactions:
        execute_transaction(state, transaction, height, rules)
    fees = sum(transaction.fee for transaction in block.transactions)
    reward(state, block.header.beneficiary, subsidy(network, height) + fees, rules.account_price)


def execute_transaction(state, transaction, height, rules):
    sender = transaction.sender
    demand(sender in state, "tx-unknown-sender")
    demand(transaction.nonce == state.account(sender).nonce, "tx-nonce")
    demand(transaction.valid_until == 0 or transaction.valid_until >= height, "tx-expired")
    created = len({to for to, _ in transaction.outputs if to not in state})
    price = rules.account_price * created
    demand(price <= transaction.max_price, "tx-max-price")
    cost = transaction.fee + sum(amount for _, amount in transaction.outputs) + price
    demand(state.account(sender).balance >= cost, "tx-balance")
    new_accounts = len(state.accounts) - state.old_count + created
    demand(new_accounts <= rules.max_new_accounts, "new-accounts")
    state.change(sender, balance=-cost, nonce=1)
    for to, amount in transaction.outputs:
        state.credit(to, amount)


def reward(state, beneficiary, amount, account_price):
    """Where the beneficiary is appended the price comes out of the reward; one not above the price is burned."""
    if beneficiary in state:
        state.credit(beneficiary, amount)
    elif amount > account_price:
        state.append(beneficiary, amount - account_price)
