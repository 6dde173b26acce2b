"""Frames between our processes: four bytes of length, then ``{"kind": …, "body": …}`` as JSON."""

from collections.abc import Iterable, Iterator
from typing import TypeVar, get_args

import msgspec

from chatelaine.model.error import WireError
from chatelaine.model.key import VirtualKey
from chatelaine.model.link import FRAME_LIMIT, Command, HubOrders, Message, Reply, WorkerMessage, WorkerOrders
from chatelaine.model.playbook import HabitTable, Restraint
from chatelaine.model.push import TableMessage

_PREFIX = 4
_PART = 512 * 1024
"""Bytes of a table in one part: few enough that the loop has its turn between two of them."""
_Orders = TypeVar("_Orders", WorkerOrders, HubOrders)
_Row = TypeVar("_Row", VirtualKey, Restraint, HabitTable)

FROM_CLIENTS = frozenset({kind.__name__ for kind in (*get_args(WorkerMessage), *get_args(Command))})
"""What the hub accepts: the messages of workers and of the command line."""

TABLES = frozenset({kind.__name__ for kind in get_args(TableMessage)})
"""What a gate worker accepts."""

REPLIES = frozenset({kind.__name__ for kind in get_args(Reply)})
"""What the command line accepts."""


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    body: msgspec.Raw


_DECODERS: dict[str, msgspec.json.Decoder[Message]] = {
    kind.__name__: msgspec.json.Decoder(kind) for kind in get_args(Message)
}
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ENCODER = msgspec.json.Encoder()


def frame(message: Message) -> bytes:
    """Return a message as one frame.

    Raises:
        WireError: it is larger than ``FRAME_LIMIT``.
    """
    body = _ENCODER.encode(_Envelope(type(message).__name__, msgspec.Raw(_ENCODER.encode(message))))
    if len(body) > FRAME_LIMIT:
        raise WireError(
            f"a {type(message).__name__} of {len(body)} bytes does not fit a frame of {FRAME_LIMIT}",
            hint="split what is sent",
        )
    return len(body).to_bytes(_PREFIX, "big") + body


def split(rows: Iterable[_Row]) -> Iterator[tuple[_Row, ...]]:
    """Yield the rows of a table in parts that each fit a frame, however long each of them is."""
    part: list[_Row] = []
    size = 0
    for row in rows:
        own = len(_ENCODER.encode(row))
        if part and size + own > _PART:
            yield tuple(part)
            part, size = [], 0
        part.append(row)
        size += own
    if part:
        yield tuple(part)


class Frames:
    """Takes bytes as they come and gives back whole messages, each checked by its type."""

    def __init__(self, accepted: frozenset[str], *, limit: int = FRAME_LIMIT) -> None:
        self._accepted = accepted
        self._limit = limit
        self._held = bytearray()

    @property
    def partial(self) -> bool:
        """Whether bytes of an unfinished frame are held."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that ``data`` completes.

        Raises:
            WireError: a frame is too large, is not JSON, or is no message accepted here.
        """
        self._held += data
        while len(self._held) >= _PREFIX:
            size = int.from_bytes(self._held[:_PREFIX], "big")
            if size > self._limit:
                raise WireError(f"a frame of {size} bytes is larger than {self._limit}")
            if len(self._held) < _PREFIX + size:
                return
            body = bytes(self._held[_PREFIX : _PREFIX + size])
            del self._held[: _PREFIX + size]
            yield self._decode(body)

    def _decode(self, body: bytes) -> Message:
        try:
            envelope = _ENVELOPE.decode(body)
            if envelope.kind not in self._accepted:
                raise WireError(f"a message of the kind {envelope.kind[:40]!r} is not expected here")
            return _DECODERS[envelope.kind].decode(envelope.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            raise WireError(f"a frame cannot be read: {fault}") from fault


def orders_line(orders: WorkerOrders | HubOrders) -> bytes:
    """Return orders as the line that a new process finds on its standard input."""
    return _ENCODER.encode(orders) + b"\n"


def read_orders(line: bytes, kind: type[_Orders]) -> _Orders:
    """Return the orders of a line.

    Raises:
        WireError: the line is not what the supervisor writes.
    """
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError as fault:
        raise WireError(
            f"the orders cannot be read: {fault}", hint="this program is started by `chatelaine up`"
        ) from fault
