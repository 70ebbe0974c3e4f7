"""Compares the vectors quoted in docs/protocol.md with what this specification computes.

Usage: python check_vectors.py [PROTOCOL.md]
"""

import re
import sys
from dataclasses import replace
from pathlib import Path

from cairn import blocks, history, keys, light, networks, rules, state, targets
from cairn.notation import H, T, u64
from cairn.transactions import Transaction

TEXT = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
# Of the network and the payment of the vectors.
ACCOUNT_PRICE = 1000
MAX_PRICE = 1000


def vectors(text):
    fenced = "".join(re.findall(r"```vectors\n(.*?)```", text, re.S))
    return dict(line.split(" = ", 1) for line in fenced.splitlines() if line)


def secret(number):
    return number.to_bytes(32, "big")


def key(number):
    return keys.address_of(secret(number))


def byte(number):
    return bytes([number]) * 32


def golden_network(account_price):
    return networks.Network(
        name="golden",
        prefix="gcrn",
        interval=2000,
        half_life=20_000,
        max_future=5000,
        rules=networks.Rules(1_048_576, 1024, account_price),
        subsidy=5_000_000_000,
        halving=100,
        genesis_time=1_700_000_000_000,
        pow_limit=0x207FFFFF,
        genesis_target=0x207FFFFE,
        allocations=((key(1), 1_000_000), (key(2), 2_000_000)),
    )


def addresses():
    """Chapter 2."""
    for number in range(1, 5):
        yield f"key.{number}", key(number)
    for prefix in ("crn", "tcrn", "lcrn"):
        text = keys.address_text(prefix, key(1))
        assert keys.parse_address(prefix, text) == key(1)
        yield f"address.{prefix}", text


def accounts():
    """Chapter 5.1."""
    tree = state.State()
    yield "state_root.1", tree.root()
    for count, number in enumerate((3, 1, 4, 2), 2):
        tree.append(byte(number), number)
        tree.change(byte(number), nonce=number)
        yield f"state_root.{count}", tree.root()


def roots():
    """Chapters 6.2 and 6.3."""
    for count in (0, 1, 2, 3, 5):
        yield f"txs_root.{count}", blocks.txs_root([byte(i + 1) for i in range(count)])
    leaves, peaks = [], []
    yield "history_root.0", history.history_root(0, peaks)
    for i in range(8):
        leaf = history.Node(byte(i + 1), 1000 * i, 2000 * i, 0x1E3FFF00 + i, 0x1E3FFF01 + i)
        leaves.append(leaf)
        peaks = history.append(peaks, i, leaf)
        yield f"history_root.{i + 1}", history.history_root(i + 1, peaks)
    first = history.merge(leaves[0], leaves[1])
    yield "history_node.0-1", first.encode()
    siblings = [leaves[2], first, leaves[4]]
    yield "history_proof.3-of-5", len(siblings).to_bytes(8, "little") + b"".join(node.encode() for node in siblings)


def difficulty(golden):
    """Chapters 6.4, 7.5 and 10.3. What is computed from stands in the names of the vectors."""
    for name in list(golden):
        kind, _, rest = name.partition(".")
        if kind == "target":
            yield name, targets.expand(int(rest, 16)).to_bytes(32, "big")
        if kind == "work":
            yield name, str(targets.work(int(rest, 16)))
        if kind == "next_target":
            chain, gap = rest.split(".")
            network, target = {"local": (LOCAL, 0x1E1FFFFF), "main": (MAIN, 0x1D1FFFFF)}[chain]
            yield name, f"{rules.next_target(network, 3, target, int(gap)):08x}"
        if kind == "lg":
            yield name, str(light.lg(targets.expand(int(rest, 16))))
        if kind == "tile":
            chain, count, elapsed, following = rest.split(".")
            network, target = {"local": (LOCAL, 0x1E1FFFFF), "main": (MAIN, 0x1D1FFFFF)}[chain]
            bounds = light.bounds(network, target, int(following, 16), int(count), int(elapsed))
            yield name, " ".join(str(number) for number in bounds)


def shaped(interval, half_life, pow_limit, genesis_target):
    """A network with these numbers of the difficulty rule; the others do not matter to it."""
    changed = {"interval": interval, "half_life": half_life, "pow_limit": pow_limit, "genesis_target": genesis_target}
    return replace(golden_network(0), **changed)


LOCAL = shaped(2000, 20_000, 0x1E3FFFFF, 0x1E1FFFFF)
MAIN = shaped(30_000, 3_600_000, 0x1E00FFFF, 0x1D1FFFFF)


def payment(network):
    """Chapter 4: key 1 pays keys 2 and 4."""
    unsigned = Transaction(
        version=1,
        sender=key(1),
        nonce=0,
        fee=7,
        max_price=MAX_PRICE,
        valid_until=9,
        outputs=((key(2), 1000), (key(4), 500)),
        memo=b"cairn",
        signature=bytes(64),
    )
    return unsigned.signed(secret(1), network.genesis_id)


def first_block(network, transaction):
    """Chapter 6: block 1, mined for key 3 with the least nonce. The state is that after it."""
    accounts = state.State(network.allocations)
    genesis = rules.Linked.genesis(network)
    txs_root = blocks.txs_root([transaction.txid()])
    draft = blocks.Block(child(genesis, txs_root, bytes(32)), [transaction])
    state.execute(accounts, network, draft)
    return blocks.Block(child(genesis, txs_root, accounts.root()), [transaction]), accounts


def chain(network):
    """Chapters 4, 5, 6 and 8: one payment in one block on the golden network."""
    yield "params.bytes", network.params()
    yield "params.hash", network.genesis().parent
    yield "genesis.state_root", network.genesis().state_root
    yield "genesis.bytes", network.genesis().encode()
    yield "genesis.seal", network.genesis().seal()
    yield "genesis.id", network.genesis_id
    transaction = payment(network)
    yield "transaction.body", transaction.body()
    yield "transaction.sighash", transaction.sighash(network.genesis_id)
    yield "transaction.signature", transaction.signature
    yield "transaction.bytes", transaction.encode()
    yield "transaction.id", transaction.txid()
    block, accounts = first_block(network, transaction)
    yield "header.bytes", block.header.encode()
    yield "header.seal", block.header.seal()
    yield "header.id", block.header.id()
    yield "block.bytes", block.encode()
    yield "block.undo", accounts.undo_record()
    yield "leaf.bytes", accounts.account(key(1)).encode()
    yield "leaf.hash", accounts.account(key(1)).leaf_hash()
    yield "account_proof.bytes", accounts.prove(key(2)).encode()
    yield "state_run.0", state.run(accounts.accounts, 0)
    run = state.run(many_accounts(10_000), 1)
    yield "state_run.10000.length", str(len(run))
    yield "state_run.10000.sha256", H(run)
    check_the_block(network, block)
    yield from light_proofs(network, block)


def many_accounts(count):
    """Leaf i: address = i big-endian in eight bytes, four times; balance = i."""
    address = [i.to_bytes(8, "big") * 4 for i in range(count)]
    return [state.Account(address[i], address[(i + 1) % count], i, 0) for i in range(count)]


def light_proofs(network, block):
    """Chapter 10."""
    r = byte(2)
    seed = light.seed(byte(1), r)
    yield "light.seed", seed
    yield "light.offset", T("cairn/offset", seed + u64(1) + u64(0))
    headers = [network.genesis(), block.header]
    yield "light_proof.1", light.prove(network, headers, r).encode()
    mined = light.TransactionProof(block.header, block.transactions[0], 1, 0, [], None)
    yield "transaction_proof.1", mined.encode()
    headers = empty_chain(network, 700)
    proof = light.prove(network, headers, r)
    assert light.verify(network, headers[-1].id(), r, proof, headers[-1].time).tip == headers[-1]
    yield "light_proof.700.length", str(len(proof.encode()))
    yield "light_proof.700.sha256", H(proof.encode())


def empty_chain(network, height):
    """Headers alone: blocks 2000 ms apart without transactions, for key 3, all with block 0's state root."""
    linked = rules.Linked.genesis(network)
    headers = [linked.header]
    while linked.header.height < height:
        header = child(linked, blocks.txs_root([]), linked.header.state_root)
        linked = rules.check_header(network, linked, header, header.time)
        headers.append(header)
    return headers


def child(parent, txs_root, state_root):
    """The header after a block, 2000 ms later, for key 3, with the least nonce."""
    height = parent.header.height + 1
    history_root = history.history_root(height, parent.peaks)
    time = parent.header.time + 2000
    header = blocks.Header(
        1, height, parent.id, time, parent.next_target, key(3), txs_root, state_root, history_root, 0
    )
    while int.from_bytes(header.id(), "big") > targets.expand(header.target):
        header = replace(header, nonce=header.nonce + 1)
    return header


def check_the_block(network, block):
    """The block that the vectors build is valid by the rules, too."""
    parent = rules.Linked.genesis(network)
    decoded = blocks.decode_block(block.encode())
    assert decoded == block
    rules.check_header(network, parent, decoded.header, block.header.time)
    rules.check_body(network, state.State(network.allocations), decoded)


def computed(golden):
    network = golden_network(ACCOUNT_PRICE)
    for part in (addresses(), accounts(), roots(), difficulty(golden), chain(network)):
        yield from part


def main():
    text = Path(sys.argv[1]) if len(sys.argv) > 1 else TEXT
    golden = vectors(text.read_text())
    wrong = 0
    for name, value in computed(golden):
        found = value.hex() if isinstance(value, bytes) else value
        expected = golden.pop(name, None)
        if found != expected:
            wrong += 1
            print(f"{name}: the text says {expected}, the specification {found}")
    for name in golden:
        wrong += 1
        print(f"{name}: the specification does not compute this vector")
    print(f"{wrong} vectors differ" if wrong else "all vectors of the text are as computed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
