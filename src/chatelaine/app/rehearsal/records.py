"""What the journal holds of an app, in plain words."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from chatelaine.adapters.journal import read_segments, workers
from chatelaine.core.codec import encode
from chatelaine.model.error import JournalError
from chatelaine.model.event import (
    Event,
    ExchangeEnded,
    ExchangeOpened,
    ExchangeRefused,
    KeyChanged,
    KeyIssued,
)
from chatelaine.model.exchange import Client, EndReason, UsageSource
from chatelaine.model.words import KeyId

_SECOND = 1_000_000_000
_MILLI = 1_000_000
_HOW_ENDED = {
    EndReason.COMPLETED: "answered in full after {} ms",
    EndReason.KEY_CUT: "cut off after {} ms, its key was suspended",
    EndReason.CLIENT_LEFT: "left by the app after {} ms",
}
_HOW_COUNTED = {
    UsageSource.REPORTED: "counted by the model",
    UsageSource.ESTIMATED: "an estimate",
    UsageSource.RESERVED: "the worst case",
}


def recorded(journal: Path) -> list[Event]:
    """Return all events of a journal, oldest first.

    Raises:
        JournalError: it is damaged.
    """
    faults: list[JournalError] = []
    found = [
        event
        for worker in workers(journal)
        for _, event in read_segments(journal, worker, on_fault=faults.append)
    ]
    if faults:
        raise faults[0]
    return sorted(found, key=lambda event: event.at)


def of_key(events: Iterable[Event], key: KeyId) -> list[Event]:
    """Return the events that are about one key."""
    return [event for event in events if _key(event) == key]


def _key(event: Event) -> KeyId | None:
    if isinstance(event, KeyIssued | KeyChanged):
        return event.key
    caller = getattr(event, "caller", None)
    return caller.key if caller is not None else None


def course(events: Iterable[Event]) -> Iterator[tuple[str, str]]:
    """Yield time and words of each event but openings, which their ends repeat."""
    for event in events:
        if words := _words(event):
            yield clock_time(event.at), words


def _words(event: Event) -> str:
    if isinstance(event, KeyIssued):
        return f"key issued to the app {event.app} of {event.owner}, by {event.by}"
    if isinstance(event, KeyChanged):
        because = f" ({event.reason})" if event.reason else ""
        return f"key {event.before.value} → {event.after.value}, by {event.by}{because}"
    if isinstance(event, ExchangeRefused):
        return f"refused with {event.status}: {event.reason.value.replace('_', ' ')}; nothing went upstream"
    return ended(event) if isinstance(event, ExchangeEnded) else ""


def ended(event: ExchangeEnded) -> str:
    """Return how an exchange ended, what it used and what it cost."""
    used, how = event.usage, _HOW_ENDED.get(event.reason, f"{event.reason.value} after {{}} ms")
    tokens = f"{used.input_tokens} tokens in, {used.output_tokens} out ({_HOW_COUNTED[used.source]})"
    return f"{how.format(event.duration_us // 1000)}: {tokens}, {dollars(event.cost)}"


def tally(events: Iterable[Event]) -> str:
    """Return in one sentence what many exchanges came to."""
    ends = [event for event in events if isinstance(event, ExchangeEnded)]
    whole = sum(event.reason is EndReason.COMPLETED and event.status == 200 for event in ends)  # noqa: PLR2004 - HTTP's OK
    into = sum(event.usage.input_tokens for event in ends)
    out = sum(event.usage.output_tokens for event in ends)
    cost = dollars(sum(event.cost for event in ends))
    return f"{len(ends)} exchanges, {whole} answered in full: {into} tokens in, {out} out, {cost}"


def origin(events: Iterable[Event]) -> Iterator[tuple[str, str]]:
    """Yield what tells the client of these events from another one, by its last opening."""
    clients = [event.client for event in events if isinstance(event, ExchangeOpened | ExchangeRefused)]
    if clients:
        yield from _context(clients[-1])


def _context(client: Client) -> Iterator[tuple[str, str]]:
    network, greeting, sdk = client.network, client.greeting, dict(client.sdk)
    known = ", ".join(filter(None, (network.country, f"AS{network.asn}" if network.asn else "")))
    yield "from", f"{network.ip} ({known or 'this machine: no country, no network'})"
    system = " ".join(filter(None, (sdk.get("x-stainless-os"), sdk.get("x-stainless-runtime-version"))))
    yield "client", f"{client.user_agent} ({system})" if system else client.user_agent
    yield "TLS", f"JA4 {greeting.ja4}, HTTP {client.http_version}"
    names = client.header_names.split(",")
    yield "headers", f"{len(names)} in this order: {', '.join(names[:6])} … (hash {client.header_hash})"


def dollars(cost: int) -> str:
    """Return an amount in US dollars, to the millionth."""
    return f"${cost / _SECOND:.6f}"


def clock_time(at: int) -> str:
    """Return an instant's time of day, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(at // _SECOND, UTC)
    return f"{moment:%H:%M:%S}.{at % _SECOND // _MILLI:03}"


def places_of(events: Iterable[Event], secrets: Iterable[str]) -> int:
    """Count the events that hold one of these texts."""
    wanted = [each.encode() for each in secrets]
    return sum(any(each in written for each in wanted) for written in map(encode, events))
