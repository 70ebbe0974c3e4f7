"""Chapter 2: keys, addresses and signatures."""

from functools import lru_cache

from coincurve import PrivateKey, PublicKeyXOnly

from .notation import demand

P = 2**256 - 2**32 - 977


def on_curve(address):
    """Whether 32 bytes are the x coordinate of a point of secp256k1."""
    x = int.from_bytes(address, "big")
    y_squared = (x**3 + 7) % P
    return x < P and pow(y_squared, (P - 1) // 2, P) == 1


@lru_cache(maxsize=4096)
def _key(address):
    try:
        return PublicKeyXOnly(address)
    except ValueError:
        return None


def verifies(address, digest, signature):
    """BIP340 over a 32-byte digest that is not hashed again."""
    key = _key(address)
    return key is not None and key.verify(signature, digest)


def address_of(secret):
    return PublicKeyXOnly.from_secret(secret).format()


def sign(secret, digest, auxiliary=bytes(32)):
    return PrivateKey(secret).sign_schnorr(digest, auxiliary)


# 2.2 Addresses as text: BIP350.

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32M = 0x2BC830A3
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
CHECKSUM = 6
DATA = 52  # 32 bytes in groups of five bits, the last filled up with four zero bits


def _polymod(values):
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, constant in enumerate(GENERATOR):
            if top >> bit & 1:
                checksum ^= constant
    return checksum


def _expanded(prefix):
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def address_text(prefix, address):
    number = int.from_bytes(address, "big") << 4
    data = [number >> 5 * (DATA - 1 - i) & 31 for i in range(DATA)]
    checksum = _polymod(_expanded(prefix) + data + [0] * CHECKSUM) ^ BECH32M
    data += [checksum >> 5 * (CHECKSUM - 1 - i) & 31 for i in range(CHECKSUM)]
    return prefix + "1" + "".join(ALPHABET[value] for value in data)


def parse_address(prefix, text):
    """What a person typed: the 32 bytes, or Broken."""
    demand(text in (text.lower(), text.upper()), "address")
    start, separator, characters = text.lower().rpartition("1")
    demand(separator and start == prefix, "address")
    demand(len(characters) == DATA + CHECKSUM and set(characters) <= set(ALPHABET), "address")
    data = [ALPHABET.index(c) for c in characters]
    demand(_polymod(_expanded(prefix) + data) == BECH32M, "address")
    number = 0
    for value in data[:DATA]:
        number = number << 5 | value
    demand(number % 16 == 0, "address")
    address = (number >> 4).to_bytes(32, "big")
    demand(on_curve(address), "address")
    return address
