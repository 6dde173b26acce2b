"""The one codec: events to bytes and back, one compiled decoder for each kind and version."""

from collections.abc import Callable, Mapping
from typing import Final, get_args

import msgspec

from chatelaine.model.error import RecordUnknown
from chatelaine.model.event import Event
from chatelaine.model.journal import Carried, Envelope

LARGEST: Final = 60_000
"""Bytes of an encoded event at most: an entry of the ledger holds 65,535. Longer texts and lists are cut."""

_CARRIED: Final = "segment.carried"
_FEWEST: Final = 64
_CUT: Final = "…"


CLASSES: Final[tuple[type[Event], ...]] = get_args(Event)
"""Every class of event."""


def _head(kind: str, version: int) -> bytes:
    return f'{{"kind":"{kind}","version":{version},"event":'.encode()


_write: Final = msgspec.json.Encoder().encode
_HEADS: Final[Mapping[type, bytes]] = {one: _head(one.kind, one.version) for one in CLASSES}
_CARRIED_HEAD: Final = _head(_CARRIED, 1)
_open_envelope: Final = msgspec.json.Decoder(Envelope).decode
_read_carried: Final = msgspec.json.Decoder(Carried).decode


def _reader(one: type[Event]) -> Callable[[msgspec.Raw], Event]:
    return msgspec.json.Decoder(one).decode


_READERS: Final = {(one.kind, one.version): _reader(one) for one in CLASSES}


def encode(event: Event) -> bytes:
    """Return an event as ``{"kind":…,"version":…,"event":{…}}`` in JSON, at most ``LARGEST`` bytes.

    It never fails: half surrogates become U+FFFD, and what is too long is cut and marked with ``…``.
    """
    try:
        written = _HEADS[type(event)] + _write(event) + b"}"
    except UnicodeEncodeError:
        return _encode_cut(event)
    return written if len(written) <= LARGEST else _encode_cut(event)


def _encode_cut(event: Event) -> bytes:
    plain: object = msgspec.to_builtins(event)
    most = LARGEST
    while True:
        written = _HEADS[type(event)] + _write(_cut(plain, most)) + b"}"
        if len(written) <= LARGEST or most <= _FEWEST:
            return written
        most //= 2


def _cut(value: object, most: int) -> object:
    if isinstance(value, str):
        whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole if len(whole) <= most else whole[:most] + _CUT
    if isinstance(value, dict):
        return {name: _cut(part, most) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(part, most) for part in value[: max(most // _FEWEST, 1)]] if value else value
    return value


def decode(payload: bytes) -> Event:
    """Return the event in a payload; fields that this release does not know are passed over.

    Raises:
        RecordUnknown: the payload is no record, or its kind or version is not known here.
    """
    try:
        envelope = _open_envelope(payload)
        read = _READERS.get((envelope.kind, envelope.version))
        if read is not None:
            return read(envelope.event)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise RecordUnknown(f"a record cannot be read: {fault}") from fault
    raise RecordUnknown(
        f"a record's kind is not known: {envelope.kind!r} version {envelope.version}",
        hint="a newer release wrote it; read it with that release",
    )


def encode_carried(carried: Carried) -> bytes:
    """Return the first record of a segment."""
    return _CARRIED_HEAD + _write(carried) + b"}"


def decode_carried(payload: bytes) -> Carried | None:
    """Return what a segment carried over, or None where the payload is another record.

    Raises:
        RecordUnknown: the record begins as one of these and is none.
    """
    if not payload.startswith(_CARRIED_HEAD):
        return None
    try:
        return _read_carried(_open_envelope(payload).event)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise RecordUnknown(f"a segment's first record cannot be read: {fault}") from fault
