"""Writes what the models of models.py compute, for tests of the code to compute again, limb by limb.

Usage: python arithmetic_vectors.py > ../../kernels/tests/vectors/arithmetic.txt

A line is `function inputs = results`, all words in hex, the least significant first. The proofs hold for the models;
these vectors are what ties the models to the code. Inputs are the extremes of each bound and random numbers.
"""

import random

import models
from machine import Numbers
from models import FOLD, LIMB, P, WORD

M = Numbers()
EDGES = [0, 1, FOLD - 1, FOLD, P % WORD - 1, P % WORD, P % WORD + 1, WORD - 2, WORD - 1]


def number(count, limit=WORD):
    """Words at the edges half of the time, else anything below the limit."""
    edges = [edge for edge in EDGES + [limit - 1, limit - 2] if edge < limit]
    return [random.choice(edges) if random.random() < 0.5 else random.randrange(limit) for _ in range(count)]


def reduced():
    return number(4, LIMB) + number(1, 2**48 + 2**6)


def columns():
    """As wide as reduce takes them: nine halves of products each, the whole below 2^520."""
    wide = number(9, 9 * (LIMB - 1) + 1)
    return wide + number(1, LIMB - 9)


def lanes_product(a, b):
    return models.lanes_reduce(M, models.columns_of_product(M, a, b))[0]


def lanes_square(a):
    return models.lanes_reduce(M, models.columns_of_square(M, a))[0]


def recode(scalar, bits):
    digits, _ = models.recode(M, scalar[0] + WORD * scalar[1], bits[0])
    return [digit % WORD for digit in digits]


# Name, inputs, model.
FUNCTIONS = [
    ("add", lambda: [number(4), number(4)], lambda a, b: models.add(M, a, b)[0]),
    ("sub", lambda: [number(4), number(4)], lambda a, b: models.sub(M, a, b)[0]),
    ("product", lambda: [number(4), number(4)], lambda a, b: models.product(M, a, b)),
    ("square", lambda: [number(4)], lambda a: models.reduce(M, models.square(M, a)[0])[0]),
    ("reduce", lambda: [number(8)], lambda wide: models.reduce(M, wide)[0]),
    ("lanes_reduce", lambda: [columns()], lambda wide: models.lanes_reduce(M, wide)[0]),
    (
        "lanes_carried",
        lambda: [number(5, 2**57), number(1, 2**42)],
        lambda limbs, above: models.carried(M, limbs, above[0])[0],
    ),
    ("lanes_mul", lambda: [reduced(), reduced()], lanes_product),
    ("lanes_square", lambda: [reduced()], lanes_square),
    ("lanes_sub", lambda: [reduced(), reduced()], lambda a, b: models.lanes_sub(M, a, b)[0]),
    ("lanes_below", lambda: [reduced()], lambda a: models.below_2_256(M, a)[0]),
    ("recode", lambda: [number(2), [random.randrange(2, 15)]], recode),
]

EACH = 64


def main():
    random.seed("cairn arithmetic")
    for name, inputs, model in FUNCTIONS:
        for _ in range(EACH):
            arguments = inputs()
            words = [f"{word:x}" for argument in arguments for word in argument]
            results = [f"{word:x}" for word in model(*arguments)]
            print(name, *words, "=", *results)


if __name__ == "__main__":
    main()
