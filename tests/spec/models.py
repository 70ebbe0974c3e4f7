"""The arithmetic of kernels/src/secp256k1, operation by operation, on a machine of machine.py.

Each function makes the same steps in the same order as the one of its name in `field.rs`, `ifma.rs`, `msm.rs`, and
also tells how many times p it took away on the way. What they claim is said, and proven, in proofs.py.
"""

WORD = 2**64
P = 2**256 - 2**32 - 977
FOLD = 2**256 - P


def value(limbs, radix=WORD):
    return sum(limb * radix**place for place, limb in enumerate(limbs))


# Instructions of one word


def carrying_add(m, a, b, carry):
    return m.split(a + b + carry, WORD)


def borrowing_sub(m, a, b, borrow):
    """The difference modulo 2^64, and whether it had to borrow."""
    low, kept = m.split(a - b - borrow + WORD, WORD)
    return low, 1 - kept


def carrying_mul_add(m, a, b, add, carry):
    """a b + add + carry, whose upper half always fits a word."""
    low, high = m.split(m.product(a, b, (WORD, WORD)) + add + carry, WORD)
    return low, m.word(high, WORD)


def carrying_mul(m, a, b, carry):
    return carrying_mul_add(m, a, b, 0, carry)


# field.rs


def fold_carry(m, limbs, carry):
    r0, r1, r2, r3 = limbs
    r0, c = carrying_add(m, r0, FOLD * carry, 0)
    r1, c = carrying_add(m, r1, 0, c)
    r2, c = carrying_add(m, r2, 0, c)
    r3, c = carrying_add(m, r3, 0, c)
    return [m.word(r0 + FOLD * c, WORD), r1, r2, r3], carry + c


def add(m, a, b):
    limbs, c = [], 0
    for x, y in zip(a, b):
        limb, c = carrying_add(m, x, y, c)
        limbs.append(limb)
    return fold_carry(m, limbs, c)


def sub(m, a, b):
    limbs, borrow = [], 0
    for x, y in zip(a, b):
        limb, borrow = borrowing_sub(m, x, y, borrow)
        limbs.append(limb)
    r0, r1, r2, r3 = limbs
    first = borrow
    r0, borrow = borrowing_sub(m, r0, FOLD * borrow, 0)
    r1, borrow = borrowing_sub(m, r1, 0, borrow)
    r2, borrow = borrowing_sub(m, r2, 0, borrow)
    r3, borrow = borrowing_sub(m, r3, 0, borrow)
    return [m.word(r0 - FOLD * borrow, WORD), r1, r2, r3], -(first + borrow)


def normalized(m, v):
    limbs, c = [], FOLD
    for limb in v:
        limb, c = carrying_add(m, limb, 0, c)
        limbs.append(limb)
    return limbs, c


def reduce(m, wide):
    w0, w1, w2, w3, w4, w5, w6, w7 = wide
    r0, c = carrying_mul(m, w4, FOLD, w0)
    r1, c = carrying_mul_add(m, w5, FOLD, w1, c)
    r2, c = carrying_mul_add(m, w6, FOLD, w2, c)
    r3, c = carrying_mul_add(m, w7, FOLD, w3, c)
    folded = c
    r0, c = carrying_mul(m, c, FOLD, r0)
    r1, carry = carrying_add(m, r1, c, 0)
    r2, carry = carrying_add(m, r2, 0, carry)
    r3, carry = carrying_add(m, r3, 0, carry)
    folded += carry
    r0, carry = carrying_add(m, r0, FOLD * carry, 0)
    return [r0, m.word(r1 + carry, WORD), r2, r3], folded


def product(m, a, b):
    """Row by row; each row's last carry is a limb of its own."""
    r = [0] * 8
    for i, x in enumerate(a):
        c = 0
        for j, y in enumerate(b):
            r[i + j], c = carrying_mul_add(m, x, y, r[i + j], c)
        r[i + 4] = c
    return r


def square(m, a):
    """The products of two different limbs once, doubled; then the squares."""
    a0, a1, a2, a3 = a
    p1, c = carrying_mul(m, a0, a1, 0)
    p2, c = carrying_mul(m, a0, a2, c)
    p3, p4 = carrying_mul(m, a0, a3, c)
    p3, c = carrying_mul(m, a1, a2, p3)
    p4, p5 = carrying_mul_add(m, a1, a3, p4, c)
    p5, p6 = carrying_mul(m, a2, a3, p5)
    s0, c = carrying_mul(m, a0, a0, 0)
    s2, s3 = carrying_mul(m, a1, a1, 0)
    s4, s5 = carrying_mul(m, a2, a2, 0)
    s6, s7 = carrying_mul(m, a3, a3, 0)
    doubled, carry = [], 0
    for p in (p1, p2, p3, p4, p5, p6):
        d, carry = carrying_add(m, p, p, carry)
        doubled.append(d)
    doubled.append(carry)
    sums, carry = [s0], 0
    for d, s in zip(doubled, (c, s2, s3, s4, s5, s6, s7)):
        r, carry = carrying_add(m, d, s, carry)
        sums.append(r)
    return sums, carry


# ifma.rs: five limbs of 52 bits in words of 64

LIMB = 2**52
TOP = 2**48
FOLD_LIMB = FOLD << 4
BIAS = [2**53 - 4 * FOLD, (LIMB - 1) * 2, (LIMB - 1) * 2, (LIMB - 1) * 2, 2**50 - 2]


def plus(m, a, b):
    """add_epi64, which must not wrap."""
    return m.word(a + b, WORD)


def halves(m, a, b):
    """The halves of a product of 52-bit factors: all that vpmadd52 sees of larger ones would be lost."""
    m.claim(a < LIMB, "52 bits")
    low, high = m.split(m.product(a, b, (LIMB, LIMB)), LIMB)
    return low, m.word(high, LIMB)


def columns_of_product(m, a, b):
    columns = [0] * 10
    for i in range(5):
        for j in range(5):
            low, high = halves(m, a[i], b[j])
            columns[i + j] = plus(m, columns[i + j], low)
            columns[i + j + 1] = plus(m, columns[i + j + 1], high)
    return columns


def columns_of_square(m, a):
    columns = [0] * 10
    for i in range(5):
        for j in range(i + 1, 5):
            low, high = halves(m, a[i], a[j])
            columns[i + j] = plus(m, columns[i + j], low)
            columns[i + j + 1] = plus(m, columns[i + j + 1], high)
    columns = [plus(m, column, column) for column in columns]
    for i in range(5):
        low, high = halves(m, a[i], a[i])
        columns[2 * i] = plus(m, columns[2 * i], low)
        columns[2 * i + 1] = plus(m, columns[2 * i + 1], high)
    return columns


def lanes_reduce(m, columns):
    columns = list(columns)
    for k in range(5, 9):
        columns[k], carried_out = m.split(columns[k], LIMB)
        columns[k + 1] = plus(m, columns[k + 1], carried_out)
    folded = 16 * value(columns[5:], LIMB)
    r = columns[:5] + [0]
    for place, column in enumerate(columns[5:]):
        low, high = halves(m, column, FOLD_LIMB)
        r[place] = plus(m, r[place], low)
        r[place + 1] = plus(m, r[place + 1], high)
    _, over = m.split(r[4], TOP)
    above = plus(m, over, m.word(r[5] * 16, WORD))
    limbs, more = carried(m, r[:5], above)
    return limbs, folded + more


def carried(m, limbs, above):
    r0, r1, r2, r3, r4 = limbs
    r4, _ = m.split(r4, TOP)
    low, high = halves(m, above, FOLD)
    r0, r1 = plus(m, r0, low), plus(m, r1, high)
    r0, c = m.split(r0, LIMB)
    r1, c = m.split(plus(m, r1, c), LIMB)
    r2, c = m.split(plus(m, r2, c), LIMB)
    r3, c = m.split(plus(m, r3, c), LIMB)
    return [r0, r1, r2, r3, plus(m, r4, c)], above


def lanes_sub(m, a, b):
    limbs = [plus(m, x, m.word(bias - y, WORD)) for x, bias, y in zip(a, BIAS, b)]
    _, above = m.split(limbs[4], TOP)
    return carried(m, limbs, above)


def below_2_256(m, a):
    _, above = m.split(a[4], TOP)
    return carried(m, a, above)


# msm.rs


def recode(m, scalar, bits):
    """The digits of a scalar of 128 bits, the least significant first, and the carry after the last."""
    half = 1 << bits - 1
    digits, carry = [], 0
    for _ in range(-(-129 // bits)):
        scalar, low = reversed(m.split(scalar, 2 * half))
        raw = low + carry
        carry = m.greater(raw, half)
        digits.append(raw - 2 * half * carry)
    return digits, carry


# pow.rs


def cubic(f):
    """k of protocol.md 7.5, all that is computed on the way, in u128."""
    return [195766423245049 * f, 971821376 * f**2, 5127 * f**3, 2**47]


def factor(f):
    return 65536 + (sum(cubic(f)) >> 48)
