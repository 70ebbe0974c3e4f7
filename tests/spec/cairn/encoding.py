"""Chapter 3: encoding. Fields in order, nothing between them; a list is its length as u64 and then its elements."""

from .notation import MAX_AMOUNT, demand

DECODE = "decode"


class Reader:
    """Reads one object, of at most `limit` bytes."""

    def __init__(self, data, limit):
        demand(len(data) <= limit, DECODE, "longer than this kind of object may be")
        self.data = data
        self.place = 0

    def take(self, count):
        end = self.place + count
        demand(end <= len(self.data), DECODE, "ends inside the object")
        taken = self.data[self.place : end]
        self.place = end
        return taken

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def amount(self):
        value = self.u64()
        demand(value <= MAX_AMOUNT, DECODE, "not an amount")
        return value

    def count(self, most):
        """The length of a list of at most `most` elements."""
        value = self.u64()
        demand(value <= most, DECODE, "a list longer than it may be")
        return value

    def list(self, most, element):
        return [element() for _ in range(self.count(most))]

    def end(self):
        demand(self.place == len(self.data), DECODE, "bytes left over")


def decode(data, limit, read):
    """The object that `read` reads, if that is all there is. A value has one encoding: `encode` gives the input back."""
    reader = Reader(data, limit)
    value = read(reader)
    reader.end()
    return value
