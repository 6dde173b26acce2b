"""Pipelined requests (RFC 9112 §9.3.2): they wait in their order, and never without bound."""

from collections import deque
from typing import Final

from chatelaine.core.exchange.head import Pairs
from chatelaine.model.exchange import RefusalReason

_MOST_READ: Final = 16
"""Requests that wait while one is served; beyond it the connection is not read."""
_MOST_READ_BYTES: Final = 256 * 1024
MOST_WAITING: Final = 1024
"""Requests that wait at all. What is read at once is parsed at once: at most 256 KiB, which holds no more
requests than this where each carries a credential."""


class Message:
    """A request as it is parsed: what stands before its body, and the body while it waits its turn."""

    __slots__ = ("chunks", "complete", "fault", "method", "pairs", "refusal", "target", "version", "waiting")

    def __init__(self, method: bytes, target: bytes, version: str, pairs: Pairs) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.pairs = pairs
        self.chunks: list[bytes] = []
        self.complete = False
        self.waiting = False
        """Whether its turn is still to come."""
        self.refusal: tuple[RefusalReason, str] | None = None
        """Why it is refused whatever its head says, and the detail for the analyst."""
        self.fault = ""
        """Why its body cannot be understood, where that was found before its turn came."""

    @property
    def head_bytes(self) -> int:
        """The size of its head as it came, about."""
        return len(self.target) + sum(len(name) + len(value) + 4 for name, value in self.pairs)


class Pipeline:
    """The requests of one connection that wait for the one before them."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bytes = 0

    @property
    def empty(self) -> bool:
        """Whether none waits."""
        return not self._messages

    @property
    def crowded(self) -> bool:
        """Whether so much waits that no more should be read."""
        return len(self._messages) > _MOST_READ or self._bytes > _MOST_READ_BYTES

    @property
    def full(self) -> bool:
        """Whether so many wait that the next one can only be refused."""
        return len(self._messages) >= MOST_WAITING

    def put(self, message: Message, size: int) -> None:
        """Let a request wait, whose head came in about ``size`` bytes."""
        message.waiting = True
        self._messages.append(message)
        self._bytes += size

    def hold(self, message: Message, chunk: bytes) -> None:
        """Hold a part of the body of a request that waits."""
        message.chunks.append(chunk)
        self._bytes += len(chunk)

    def take(self) -> Message:
        """Return the request that has waited longest; it waits no more."""
        message = self._messages.popleft()
        message.waiting = False
        if not self._messages:
            self._bytes = 0
        return message

    def clear(self) -> None:
        """Forget all: nobody waits for their replies any more."""
        self._messages.clear()
