"""Tokens: ``chln_<env>_<kid9>_<secret43><crc6>``, minted, read, and digested.

Base62 and ``_`` alone, so that a double click selects a token whole and no shell, URL or JSON needs
it escaped; a rare literal in front and a CRC32 behind, so that a scanner finds it and drops noise.
The checksum is public arithmetic: it tells a typing error from a token, never a forgery.
"""

import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from chatelaine.model.error import TokenMalformed
from chatelaine.model.key import TokenParts
from chatelaine.model.words import KeyId, PepperId

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

PREFIX = "chln_"

TOKEN_PATTERN = PREFIX + r"[a-z0-9]{1,12}_[0-9A-Za-z]{9}_[0-9A-Za-z]{49}"
"""A token's shape for scanners and redaction; no look-around, so that RE2 and Hyperscan take it."""

SECRET_BYTES = 32

TOKEN_AT_MOST = len(PREFIX) + 12 + 1 + 9 + 1 + 43 + 6
"""Characters of the longest token."""

_KID_LENGTH = 9
_SECRET_LENGTH = 43
_CRC_LENGTH = 6
_TAIL_LENGTH = _SECRET_LENGTH + _CRC_LENGTH
_PARTS = 4
_BLOCK = 64
"""Bytes in a block of SHA-256."""
_DIGITS = {ord(digit): value for value, digit in enumerate(ALPHABET)}

_ENV = re.compile(r"[a-z0-9]{1,12}")
_BASE62 = re.compile(r"[0-9A-Za-z]*")

match_shape = re.compile(
    TOKEN_PATTERN.replace("[0-9A-Za-z]{9}", "([0-9A-Za-z]{9})").encode("ascii"), re.ASCII
).fullmatch
"""Match bytes against the shape; group 1 is the kid. Bound once: the gate calls it for each request."""


def encode_base62(number: int, length: int) -> str:
    """Return a number in base62, left-padded with ``0`` to ``length`` digits."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def decode_base62(digits: bytes) -> int:
    """Return the number that base62 digits stand for."""
    number = 0
    for digit in digits:
        number = number * len(ALPHABET) + _DIGITS[digit]
    return number


def checksum(head: bytes) -> str:
    """Return the six base62 digits of the CRC32 over everything that stands before them."""
    return encode_base62(zlib.crc32(head), _CRC_LENGTH)


def new_kid(random: bytes) -> KeyId:
    """Return a kid drawn from random bytes; 16 make its nine digits uniform to within 2^-74.

    Raises:
        TokenMalformed: fewer than 16 random bytes.
    """
    least = 16
    if len(random) < least:
        raise TokenMalformed(f"a kid is drawn from at least {least} random bytes, not {len(random)}")
    return KeyId(encode_base62(int.from_bytes(random, "big"), _KID_LENGTH))


def mint(env: str, kid: KeyId, secret: bytes) -> str:
    """Return the token of a key: 256 bits of ``secret`` under a public environment and kid.

    Raises:
        TokenMalformed: the environment, the kid or the secret's size cannot stand in a token.
    """
    if not _ENV.fullmatch(env):
        raise TokenMalformed(
            f"{env!r} cannot name an environment in a token",
            hint="use 1 to 12 lower-case letters and digits, such as live or test",
        )
    if len(kid) != _KID_LENGTH or not _BASE62.fullmatch(kid):
        raise TokenMalformed(f"{kid!r} is not a kid: it has nine base62 digits")
    if len(secret) != SECRET_BYTES:
        raise TokenMalformed(f"a token's secret has {SECRET_BYTES} bytes, not {len(secret)}")
    head = f"{PREFIX}{env}_{kid}_{encode_base62(int.from_bytes(secret, 'big'), _SECRET_LENGTH)}"
    return head + checksum(head.encode("ascii"))


def parse(token: str | bytes) -> TokenParts:
    """Return the public parts of a token.

    Raises:
        TokenMalformed: it is not one of ours; the message says in what, and shows nothing of it.
    """
    text = _text(token)
    parts = text.split("_")
    if len(parts) != _PARTS or parts[0] != "chln":
        raise TokenMalformed("not a token of ours: it does not read chln_<env>_<kid>_<secret>")
    _, env, kid, tail = parts
    if not _ENV.fullmatch(env):
        raise TokenMalformed("the environment of the token is not 1 to 12 lower-case letters and digits")
    if len(kid) != _KID_LENGTH or not _BASE62.fullmatch(kid):
        raise TokenMalformed("the kid of the token is not nine base62 digits")
    if len(tail) != _TAIL_LENGTH or not _BASE62.fullmatch(tail):
        raise TokenMalformed(f"the secret part of the token is not {_TAIL_LENGTH} base62 digits")
    if checksum(text[:-_CRC_LENGTH].encode("ascii")) != tail[_SECRET_LENGTH:]:
        raise TokenMalformed(
            "the checksum of the token is wrong", hint="it was cut short or changed: copy it again"
        )
    if decode_base62(tail[:_SECRET_LENGTH].encode("ascii")).bit_length() > SECRET_BYTES * 8:
        raise TokenMalformed("the secret of the token is larger than 256 bits")
    return TokenParts(env, KeyId(kid))


def _text(token: str | bytes) -> str:
    if len(token) > TOKEN_AT_MOST:
        raise TokenMalformed(f"a token has at most {TOKEN_AT_MOST} characters, not {len(token)}")
    try:
        return token.decode("ascii") if isinstance(token, bytes) else token.encode("ascii").decode("ascii")
    except UnicodeError:
        # Unchained: the error of the codec would carry the token itself.
        raise TokenMalformed("a token has only letters, digits and underscores") from None


def claimed_kid(token: bytes) -> KeyId | None:
    """Return the kid that a string of a token's shape names, or None; the checksum is not looked at."""
    shape = match_shape(token)
    return KeyId(shape[1].decode("ascii")) if shape else None


def well_formed(token: bytes) -> bool:
    """Tell whether bytes are a token of ours, checksum included."""
    if not match_shape(token):
        return False
    return checksum(token[:-_CRC_LENGTH]) == token[-_CRC_LENGTH:].decode("ascii")


def hint(kid: KeyId, env: str) -> str:
    """Return how a key is shown to people: its public part alone."""
    return f"{PREFIX}{env}_{kid}_…"


class Digester:
    """Digests tokens as ``HMAC-SHA256(pepper, token)`` (RFC 2104), its two key blocks hashed once.

    Copying the two prepared hashes costs 0.5 µs a token where ``hmac.digest`` costs 1.3 µs.
    """

    __slots__ = ("_copy_inner", "_copy_outer")

    def __init__(self, pepper: bytes) -> None:
        block = pepper if len(pepper) <= _BLOCK else hashlib.sha256(pepper).digest()  # RFC 2104 §2
        padded = block.ljust(_BLOCK, b"\0")
        self._copy_inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded)).copy
        self._copy_outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded)).copy

    def digest(self, token: bytes) -> bytes:
        """Return the 32 bytes that are kept in place of a token."""
        inner = self._copy_inner()
        inner.update(token)
        outer = self._copy_outer()
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Peppers:
    """Digesters by pepper: the active one digests new tokens, all of them verify."""

    active: PepperId
    digesters: Mapping[PepperId, Digester]

    def digest(self, token: bytes) -> bytes:
        """Return a token's digest under the active pepper."""
        return self.digesters[self.active].digest(token)
