"""Proves what the code's arithmetic claims: that nothing overflows, and that limbs stay within their ranges.

Usage: python proofs.py
"""

import time

import z3

import models
from machine import Unknowns
from models import FOLD, LIMB, P, WORD, value

THEOREMS = []


def theorem(function):
    THEOREMS.append(function)
    return function


def words(m, count=4, limit=WORD):
    return [m.fresh(0, limit) for _ in range(count)]


def congruent(m, result, expected):
    """The limbs that a model gave are the expected number, less so many times p as the model says."""
    limbs, folded, radix = *result, WORD
    if len(limbs) == 5:
        radix = LIMB
    m.claim(value(limbs, radix) == expected - folded * P, "the same number modulo p")


@theorem
def field_add(m):
    """add: any two numbers below 2^256 to their sum modulo p, below 2^256; no third carry."""
    a, b = words(m), words(m)
    congruent(m, models.add(m, a, b), value(a) + value(b))


@theorem
def field_sub(m):
    """sub: any two to their difference modulo p; no third borrow."""
    a, b = words(m), words(m)
    congruent(m, models.sub(m, a, b), value(a) - value(b))


@theorem
def field_normalized(m):
    """normalized: a carry exactly when v >= p, and then v - p, which is below p, is left."""
    v = words(m)
    limbs, carry = models.normalized(m, v)
    m.claim(z3.Or(carry == 0, carry == 1), "one carry")
    m.claim((carry == 1) == (value(v) >= P), "v >= p exactly when it overflows")
    m.claim(z3.Implies(carry == 1, value(limbs) == value(v) - P), "v - p is left")
    m.claim(z3.Implies(carry == 1, value(limbs) < P), "once is enough")


@theorem
def field_reduce(m):
    """reduce: any 512 bits to 256, the same modulo p; neither dropped carry is ever set."""
    wide = words(m, 8)
    low, high = value(wide[:4]), value(wide[4:])
    congruent(m, models.reduce(m, wide), low + FOLD * high)


def product_of(m, a, b, radix, bound):
    """a b in terms of the products of limbs. That it is below bound^2 is what a, b < bound mean."""
    whole = sum(m.product(x, y, (radix, radix)) * radix ** (i + j) for i, x in enumerate(a) for j, y in enumerate(b))
    m.assume(z3.And(whole >= 0, whole <= (bound - 1) ** 2))
    return whole


@theorem
def field_product(m):
    """product: all 512 bits of the product of any two."""
    a, b = words(m), words(m)
    m.claim(value(models.product(m, a, b)) == product_of(m, a, b, WORD, 2**256), "a b")


@theorem
def field_square(m):
    """square: all 512 bits, nothing carried out of the last limb."""
    a = words(m)
    whole = product_of(m, a, a, WORD, 2**256)
    sums, carry = models.square(m, a)
    m.claim(value(sums) + carry * 2**512 == whole, "a a, with the carry")
    m.claim(carry == 0, "nothing is carried out of the last limb")


# Lanes. Reduced: limbs below 2^52, the fifth below 2^48 + 2^6, so the number below 2^256 + 2^214.

REDUCED = 2**256 + 2**214


def reduced(m):
    return words(m, 4, LIMB) + words(m, 1, 2**48 + 2**6)


def is_reduced(m, limbs):
    m.claim(z3.And(*[limb < LIMB for limb in limbs[:4]], limbs[4] < 2**48 + 2**6), "reduced")


@theorem
def lanes_carried(m):
    """carried: limbs below 2^57 and `above` below 2^42 give a reduced number."""
    limbs, above = words(m, 5, 2**57), m.fresh(0, 2**42)
    result = models.carried(m, limbs, above)
    _, kept = m.split(limbs[4], models.TOP)
    expected = value(limbs, LIMB) - kept * 2**256 + above * 2**256
    congruent(m, result, expected)
    is_reduced(m, result[0])


@theorem
def lanes_reduce(m):
    """reduce: columns of at most nine halves of products, the whole below 2^520, give a reduced number."""
    columns = words(m, 10, 9 * (LIMB - 1) + 1)
    m.assume(value(columns, LIMB) < 2**520)
    result = models.lanes_reduce(m, columns)
    congruent(m, result, value(columns, LIMB))
    is_reduced(m, result[0])


@theorem
def lanes_mul(m):
    """mul: the columns of reduced numbers are the product, each of at most nine halves: what reduce takes."""
    columns_are_what_reduce_takes(m, reduced(m), reduced(m), lambda a, b: models.columns_of_product(m, a, b))


@theorem
def lanes_square(m):
    """square: likewise."""
    a = reduced(m)
    columns_are_what_reduce_takes(m, a, a, lambda a, _: models.columns_of_square(m, a))


def columns_are_what_reduce_takes(m, a, b, columns_of):
    whole = product_of(m, a, b, LIMB, REDUCED)
    columns = columns_of(a, b)
    m.claim(value(columns, LIMB) == whole, "the product")
    m.claim(z3.And(*[column <= 9 * (LIMB - 1) for column in columns]), "nine halves")
    m.claim(whole < 2**520, "below 2^520")


@theorem
def lanes_sub(m):
    """sub: no difference is negative; the result is reduced."""
    a, b = reduced(m), reduced(m)
    result = models.lanes_sub(m, a, b)
    congruent(m, result, value(a, LIMB) - value(b, LIMB) + 4 * P)
    is_reduced(m, result[0])


@theorem
def lanes_below_2_256(m):
    """below_2_256: a reduced number to the same one below 2^256."""
    a = reduced(m)
    result = models.below_2_256(m, a)
    congruent(m, result, value(a, LIMB))
    m.claim(value(result[0], LIMB) < 2**256, "below 2^256")


@theorem
def recode_digits(m):
    """recode, for each width: digits from -half to half, which fit 16 bits; their sum is the scalar; no last carry."""
    for bits in range(2, 15):
        half = 1 << bits - 1
        scalar = m.fresh(0, 2**128)
        digits, carry = models.recode(m, scalar, bits)
        m.claim(z3.And(*[z3.And(digit >= -half, digit <= half) for digit in digits]), "within half")
        m.claim(value(digits, 2 * half) + carry * 2 ** (bits * len(digits)) == scalar, "the scalar")
        m.claim(carry == 0, "no last carry")


# The difficulty rule (protocol.md 7.5)

TARGETS = 2**256


@theorem
def next_target_exponent(m):
    """next_target: -65536 <= e < 65536, so q is 0 or -1 and f has 16 bits; nothing near the ends of an i128."""
    interval, half_life, gap = (m.fresh(1, WORD) for _ in range(3))
    m.assume(interval <= half_life)
    d = z3.If(gap < half_life, gap, half_life)
    x = (d - interval) * 65536
    # Of x / half_life, rounded down, this says the same, half_life being positive.
    m.claim(z3.And(-65536 * half_life <= x, x < 65536 * half_life), "e")
    m.claim(z3.And(x > -(2**80), x < 2**80), "fits an i128")


@theorem
def next_target_factor(m):
    """next_target, for every f: the cubic fits a u64, 65536 <= k < 2^17 + 1, so the product has at most 274 of 512 bits."""
    for f in range(65536):
        assert all(term < 2**64 for term in models.cubic(f)) and sum(models.cubic(f)) < 2**64
        assert 65536 <= models.factor(f) <= 2**17
        assert f == 0 or models.factor(f) >= models.factor(f - 1), "rising"
        m.proven += 1
    assert (TARGETS - 1) * 2**17 < 2**274


def log2_bound(x, up):
    """log2(x / 2^16) * 2^64 for 2^16 <= x <= 2^17, by squaring: rounded down, or with up = 1 rounded up."""
    one = 1 << 128
    number, result = x << 112, 0
    for _ in range(64):
        number = number * number + up * (one - 1) >> 128
        result <<= 1
        if number >= 2 * one:
            number, result = number + up >> 1, result + 1
    return result + up


# What one step can do, as a light proof reckons with it (protocol.md 10), in its units of 2^-32: at most 2^20 above
# and 2^21 below what the time says, all roundings of the reckoning itself included. For n steps both sides add up.
ABOVE, BELOW = 1 << 20, 1 << 21
COMPACT = 2**15  # the least mantissa of a target of 16 bits or more: cutting off leaves at least 1 - 2^-15 of it
# For n >= 2 blocks: two logarithms, rho and the time are rounded down, each by less than 2 units.
ROUNDINGS = 8


@theorem
def one_step_of_difficulty(m):
    """one step of the target, for every f: never more above or below than a light proof allows for what time says."""
    one = 1 << 64
    # log2(1 - 2^-15) >= -2^-15 * 1.4427 * (1 + 2^-15): more than -1.45 * 2^-15.
    rounding = 145 * one // (100 * COMPACT) + 1
    highest, lowest = -one, one
    for f in range(65536):
        exponent, after = f * one // 65536, (f + 1) * one // 65536
        highest = max(highest, log2_bound(models.factor(f), up=1) - exponent)
        lowest = min(lowest, log2_bound(models.factor(f), up=0) - rounding - after)
        m.proven += 1
    assert highest + (ROUNDINGS << 32) <= ABOVE << 32, highest / one
    assert -lowest + (ROUNDINGS << 32) <= BELOW << 32, lowest / one
    print(f"    above: 1/{one / highest:.0f} of an octave; below: 1/{-one / lowest:.0f}")


# What is not true must not be provable: bounds a little beyond those above.


def too_wide_columns(m):
    models.lanes_reduce(m, words(m, 10, 9 * LIMB))


def too_large_subtrahend(m):
    models.lanes_sub(m, reduced(m), words(m, 4, LIMB) + words(m, 1, 2**51))


def twice_reduced(m):
    result, _ = models.carried(m, words(m, 5, 2**62), m.fresh(0, 2**42))
    is_reduced(m, result)


def a_scalar_that_fills_its_windows(m):
    _, carry = models.recode(m, m.fresh(0, 2**140), 14)
    m.claim(carry == 0, "no last carry")


CONTROLS = [too_wide_columns, too_large_subtrahend, twice_reduced, a_scalar_that_fills_its_windows]


def fails(prove):
    try:
        prove(Unknowns())
    except AssertionError:
        return True
    return False


def main():
    for prove in THEOREMS:
        m = Unknowns()
        started = time.monotonic()
        prove(m)
        m.consistent()
        print(f"{prove.__name__:24} {m.proven:4} claims  {time.monotonic() - started:6.1f} s  {prove.__doc__}", flush=True)
    for control in CONTROLS:
        assert fails(control), f"{control.__name__} was proven, and is not true"
    print(f"{len(CONTROLS)} claims that are not true were not proven")


if __name__ == "__main__":
    main()
