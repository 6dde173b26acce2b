"""What was asked, made fit to be recorded: texts become keyed hashes, bodies become shapes."""

from functools import lru_cache
from hashlib import sha256

from chatelaine.core.redact import redact
from chatelaine.model.exchange import Asked, RouteMatch, Shape
from chatelaine.model.words import KeyedHash

_BLOCK = 64
"""Bytes in a block of SHA-256."""
_DIGITS = 32
"""Hexadecimal digits that are kept."""
_BYTES_A_TOKEN = 4
_MOST_VERSION = 32
_MOST_MODEL = 128
"""Characters of a model's name that are recorded; a longer one is somebody's probe."""
_MOST_READ = 1024
"""Characters that are looked through for a key before a name is cut to its length."""


@lru_cache(maxsize=4096)
def clean_name(text: str, most: int) -> str:
    """Return a name that a caller or an upstream chose, without the key somebody may have put there."""
    return redact(text[:_MOST_READ])[:most]


def _joined(messages: tuple[bytes, ...]) -> bytes:
    """Return messages with their lengths, so that no two lists of messages read alike."""
    return b"".join([b"%d:%b" % (len(message), message) for message in messages])


class Hasher:
    """Keyed hashes: the same text gives the same hash here, and nowhere else.

    SHA-256 over the key's block and the text, cut to 128 bits: what a cut hash hides cannot be extended.
    """

    __slots__ = ("_copy",)

    def __init__(self, key: bytes) -> None:
        """Take the key, at most 64 bytes: one block, hashed once."""
        self._copy = sha256(key.ljust(_BLOCK, b"\0")).copy

    def hash(self, data: bytes) -> KeyedHash:
        """Return the keyed hash of ``data``."""
        one = self._copy()
        one.update(data)
        return KeyedHash(one.hexdigest()[:_DIGITS])

    def chains(self, messages: tuple[bytes, ...], last_assistant: int) -> tuple[KeyedHash, KeyedHash | None]:
        """Return the hash over all messages, and that over those before the model's last reply.

        The second is the first of the turn before, so turns of one conversation link up, whichever
        key they travel on (threats.md D25).
        """
        before = messages[:last_assistant] if last_assistant >= 0 else None
        rolling, parent = self._copy(), None
        if before is not None:
            rolling.update(_joined(before))
            parent = KeyedHash(rolling.hexdigest()[:_DIGITS])
            messages = messages[last_assistant:]
        rolling.update(_joined(messages))
        return KeyedHash(rolling.hexdigest()[:_DIGITS]), parent

    def asked(
        self, route: RouteMatch, shape: Shape, *, body: bytes, body_bytes: int, api_version: str
    ) -> Asked:
        """Return what was asked in the form that is recorded.

        Args:
            route: the route that was recognised.
            shape: the body as its grammar read it.
            body: the whole body; empty for uploads.
            body_bytes: its size, also where it is not held.
            api_version: the version of the dialect the caller asks for, "" where it names none.
        """
        chain, parent = self.chains(shape.messages, shape.last_assistant) if shape.messages else (None, None)
        return Asked(
            route.provider,
            route.template,
            route.operation,
            clean_name(route.model or shape.model, _MOST_MODEL),
            clean_name(api_version, _MOST_VERSION) if api_version else "",
            shape.stream if route.stream is None else route.stream,
            shape.modalities,
            shape.numbers,
            shape.tools,
            len(shape.messages),
            shape.empty,
            body_bytes,
            -(-body_bytes // _BYTES_A_TOKEN),
            shape.output_cap,
            self.hash(shape.end_user.encode()) if shape.end_user else None,
            self.hash(body) if body else None,
            self.hash(shape.system) if shape.system else None,
            chain,
            parent,
        )
