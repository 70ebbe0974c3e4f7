"""Chapter 6.4: compact targets and work."""

from functools import lru_cache

from .notation import demand

SIGN = 0x00800000


@lru_cache(maxsize=4096)
def expand(compact):
    """The value of a compact target in its normal form, or Broken."""
    size, mantissa = compact >> 24, compact & 0xFFFFFF
    value = mantissa << 8 * (size - 3) if size > 3 else mantissa >> 8 * (3 - size)
    demand(compact & SIGN == 0 and 0 < value < 2**256 and compact_of(value) == compact, "target-form")
    return value


def compact_of(value):
    """The normal form of a target; what does not fit three bytes is cut off."""
    size = (value.bit_length() + 7) // 8
    mantissa = value >> 8 * (size - 3) if size > 3 else value << 8 * (3 - size)
    if mantissa & SIGN:
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


def work(compact):
    return 2**256 // (expand(compact) + 1)
