"""Chapter 8: networks, their genesis, and rules that change."""

import re
from dataclasses import dataclass, replace
from functools import cached_property

from . import keys
from .blocks import Header, txs_root
from .notation import MAX_AMOUNT, ZERO, T, demand, sized, u32, u64
from .state import State
from .targets import expand


@dataclass(frozen=True, slots=True)
class Rules:
    """What an upgrade may change."""

    max_block_bytes: int
    max_new_accounts: int
    account_price: int

    def check(self):
        demand(42_000 <= self.max_block_bytes <= 3 << 20, "params")
        demand(self.max_new_accounts >= 1024, "params")
        demand(self.account_price <= 2**43, "params")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """From `height` on; None where a value stays. This specification knows no feature."""

    height: int
    name: str
    max_block_bytes: int | None = None
    max_new_accounts: int | None = None
    account_price: int | None = None
    feature: str = ""

    def values(self):
        return {
            "max_block_bytes": self.max_block_bytes,
            "max_new_accounts": self.max_new_accounts,
            "account_price": self.account_price,
        }

    def changes(self):
        return {name: value for name, value in self.values().items() if value is not None}

    def encode(self):
        """What is not changed has length 0."""
        values = [b"" if value is None else u64(value) for value in self.values().values()]
        return u64(self.height) + sized(self.name.encode()) + b"".join(map(sized, values)) + sized(self.feature.encode())


@dataclass(frozen=True)
class Network:
    name: str
    prefix: str
    interval: int
    half_life: int
    max_future: int
    rules: Rules
    subsidy: int
    halving: int
    genesis_time: int
    pow_limit: int  # compact
    genesis_target: int  # compact
    allocations: tuple  # of (address, amount)
    upgrades: tuple = ()

    def params(self):
        times = u64(self.interval) + u64(self.half_life) + u64(self.max_future)
        rules = self.rules
        sizes = u64(rules.max_block_bytes) + u64(rules.max_new_accounts) + u64(rules.account_price)
        money = u64(self.subsidy) + u64(self.halving) + u64(self.genesis_time)
        allocations = b"".join(address + u64(amount) for address, amount in self.allocations)
        return (
            sized(self.name.encode())
            + sized(self.prefix.encode())
            + times
            + sizes
            + money
            + u32(self.pow_limit)
            + u32(self.genesis_target)
            + u64(len(self.allocations))
            + allocations
        )

    def genesis(self):
        """Block 0. Its id is the genesis_id."""
        return Header(
            version=1,
            height=0,
            parent=T("cairn/chain", self.params()),
            time=self.genesis_time,
            target=self.genesis_target,
            beneficiary=ZERO,
            txs_root=txs_root([]),
            state_root=State(self.allocations).root(),
            history_root=ZERO,
            nonce=0,
        )

    @cached_property
    def genesis_id(self):
        return self.genesis().id()

    def check(self):
        """What makes parameters be refused."""
        demand(re.fullmatch("[a-z0-9-]{1,32}", self.name), "params")
        demand(re.fullmatch("[a-z][a-z0-9]{0,15}", self.prefix), "params")
        demand(1 <= self.interval and 2 * self.interval <= self.half_life <= 1024 * self.interval, "params")
        demand(self.halving >= 1, "params")
        demand(expand(self.genesis_target) <= expand(self.pow_limit) < 2**255, "params")
        self.rules.check()
        addresses = [address for address, _ in self.allocations]
        demand(all(a < b for a, b in zip(addresses, addresses[1:])), "params")
        demand(all(keys.on_curve(address) and amount >= 1 for address, amount in self.allocations), "params")
        demand(self.supply() <= MAX_AMOUNT, "params")
        self.check_upgrades()

    def supply(self):
        """All that ever exists. Block 0 has no subsidy, so the first of the halvings is one block short."""
        subsidies = sum((self.subsidy >> k) * self.halving for k in range(64)) - self.subsidy
        return sum(amount for _, amount in self.allocations) + subsidies

    # Rules that change

    def check_upgrades(self):
        heights = [2] + [upgrade.height for upgrade in self.upgrades]
        demand(all(a < b for a, b in zip(heights, heights[1:])), "params")
        for upgrade in self.upgrades:
            demand(re.fullmatch("[a-z0-9-]{1,32}", upgrade.name), "params")
            demand(upgrade.feature == "" and upgrade.changes(), "params")
            self.rules_at(upgrade.height).check()

    def active(self, height):
        return tuple(upgrade for upgrade in self.upgrades if upgrade.height <= height)

    def rules_at(self, height):
        rules = self.rules
        for upgrade in self.active(height):
            rules = replace(rules, **upgrade.changes())
        return rules

    def rules_id(self, upgrades):
        return T("cairn/rules", self.genesis_id + b"".join(upgrade.encode() for upgrade in upgrades))

    def version_at(self, height):
        """1 while no upgrade is active; 0 and 1 of an id read as 2."""
        active = self.active(height)
        return max(2, int.from_bytes(self.rules_id(active)[:2], "little")) if active else 1


# The parameters and the upgrades as bytes, read back.


def read_params(reader):
    name, prefix = read_text(reader), read_text(reader)
    interval, half_life, max_future = reader.u64(), reader.u64(), reader.u64()
    rules = Rules(reader.u64(), reader.u64(), reader.u64())
    subsidy, halving, genesis_time = reader.u64(), reader.u64(), reader.u64()
    pow_limit, genesis_target = reader.u32(), reader.u32()
    allocations = tuple(reader.list(2**32, lambda: (reader.take(32), reader.u64())))
    return Network(
        name=name,
        prefix=prefix,
        interval=interval,
        half_life=half_life,
        max_future=max_future,
        rules=rules,
        subsidy=subsidy,
        halving=halving,
        genesis_time=genesis_time,
        pow_limit=pow_limit,
        genesis_target=genesis_target,
        allocations=allocations,
    )


def read_upgrades(reader):
    upgrades = []
    while reader.place < len(reader.data):
        height, name = reader.u64(), read_text(reader)
        values = [reader.take(reader.count(8)) for _ in range(3)]
        values = [int.from_bytes(value, "little") if value else None for value in values]
        upgrades.append(Upgrade(height, name, *values, feature=read_text(reader)))
    return tuple(upgrades)


def read_text(reader):
    return reader.take(reader.count(2**32)).decode()
