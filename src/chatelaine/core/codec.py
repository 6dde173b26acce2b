"""The one codec of events: ``{"kind": …, "version": …, "event": {…}}``, as JSON.

A reader takes fields it does not know in its stride; a kind or version it does not know it refuses.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, get_args

import msgspec

from chatelaine.model.error import RecordUnknown
from chatelaine.model.event import Event

E = TypeVar("E")


class _Envelope(msgspec.Struct):
    kind: str
    version: int
    event: msgspec.Raw


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ENCODER = msgspec.json.Encoder()

KINDS: Final[Mapping[str, type[Event]]] = {kind.kind: kind for kind in get_args(Event)}
"""Every kind of event by name."""

_PREFIXES: Final[dict[type[Event], bytes]] = {
    kind: b'{"kind":"%b","version":%d,"event":' % (kind.kind.encode(), kind.version)
    for kind in KINDS.values()
}


def _decoder(kind: type[E]) -> Callable[[msgspec.Raw], E]:
    return msgspec.json.Decoder(kind).decode


_DECODERS: Final = {(kind.kind, kind.version): _decoder(kind) for kind in KINDS.values()}


def encode(event: Event) -> bytes:
    """Return an event as one JSON object without line breaks."""
    return _PREFIXES[type(event)] + _ENCODER.encode(event) + b"}"


def decode(record: bytes) -> Event:
    """Return the event of a record.

    Raises:
        RecordUnknown: it is no record, or of a kind or version this release does not know.
    """
    try:
        envelope = _ENVELOPE.decode(record)
        decoder = _DECODERS.get((envelope.kind, envelope.version))
        if decoder is None:
            raise RecordUnknown(
                f"a record of kind {envelope.kind!r}, version {envelope.version}",
                hint="it was written by a newer release: read it with that one",
            )
        return decoder(envelope.event)
    except msgspec.MsgspecError as error:
        raise RecordUnknown(f"not a record: {error}", hint="chatelaine doctor --mend-journal") from error
