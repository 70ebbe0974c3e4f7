"""Machine words, as numbers and as unknowns.

A model of a function (models.py) is written once against these operations and runs on two machines: Numbers, which
computes, and Unknowns, in which every word is an integer of which only its bounds are known. On Unknowns each operation
proves, by an SMT solver over linear integer arithmetic, that it loses nothing: that a sum fits its word, that a
difference is not negative, that a multiplier sees all bits of its factors. A claim once proven is used for those after it.
"""

import z3


class Numbers:
    """Computes, and holds every claim against the numbers at hand."""

    def word(self, value, limit):
        assert 0 <= value < limit
        return value

    def split(self, value, radix):
        return value % radix, value // radix

    def product(self, a, b, _bounds):
        return a * b

    def greater(self, a, b):
        return int(a > b)

    def claim(self, condition, name):
        assert condition, name


class Unknowns:
    """Proves. `proven` counts the claims; a claim that fails is shown with numbers that break it."""

    def __init__(self):
        self.solver = z3.SolverFor("QF_LIA")
        self.names = 0
        self.proven = 0
        self.products = {}

    def fresh(self, low, high):
        """An integer with low <= it < high."""
        self.names += 1
        variable = z3.Int(f"v{self.names}")
        self.solver.add(variable >= low, variable < high)
        return variable

    def assume(self, condition):
        self.solver.add(condition)

    def claim(self, condition, name):
        self.solver.push()
        self.solver.add(z3.Not(condition))
        answer = self.solver.check()
        model = self.solver.model() if answer == z3.sat else None
        self.solver.pop()
        assert answer == z3.unsat, f"{name}: {answer} {model}"
        self.solver.add(condition)
        self.proven += 1

    def word(self, value, limit):
        """The value, proven to be in 0 .. limit, under a name of its own, so that terms stay small."""
        self.claim(z3.And(value >= 0, value < limit), f"fits {limit:#x}")
        named = self.fresh(0, limit)
        self.solver.add(named == value)
        return named

    def split(self, value, radix):
        """Remainder and quotient by a constant; the value is proven not to be negative."""
        self.claim(value >= 0, "not negative")
        low = self.fresh(0, radix)
        self.names += 1
        high = z3.Int(f"v{self.names}")
        self.solver.add(high >= 0, value == low + radix * high)
        return low, high

    def product(self, a, b, bounds):
        """A product of unknowns, of which its bound is all that is used: a < bounds[0], b < bounds[1]."""
        if isinstance(b, int) or isinstance(a, int):
            return a * b
        factors = tuple(sorted((a.get_id(), b.get_id())))
        if factors not in self.products:
            self.claim(z3.And(a >= 0, b >= 0, a < bounds[0], b < bounds[1]), "factors within bounds")
            self.products[factors] = self.fresh(0, (bounds[0] - 1) * (bounds[1] - 1) + 1)
        return self.products[factors]

    def greater(self, a, b):
        """1 if a > b, else 0."""
        bit = self.fresh(0, 2)
        self.solver.add((bit == 1) == (a > b))
        return bit

    def consistent(self):
        """That the assumptions can be met at all: from a contradiction anything follows."""
        assert self.solver.check() == z3.sat
