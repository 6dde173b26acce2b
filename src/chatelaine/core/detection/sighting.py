"""Events become sightings: an opening and its end are joined, and foreign fields become shared words."""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from chatelaine.core.context import agent_family, context_id, prefix_of
from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.event import (
    AdminActed,
    Event,
    ExchangeEnded,
    ExchangeInterrupted,
    ExchangeOpened,
    ExchangeRefused,
    KeyChanged,
    KeyIssued,
    ProviderKeyRemoved,
    ProviderKeyStored,
)
from chatelaine.model.exchange import Asked, EndReason
from chatelaine.model.words import NOTHING, ExchangeId, Instant, KeyId, NanoUsd, OwnerId

_CAPS: Final = frozenset({"maxtokens", "maxcompletiontokens", "maxoutputtokens", "maxtokenstosample"})
_FILTERED: Final = frozenset({"content_filter", "filtered", "safety", "refusal", "guardrail_intervened"})
_NO_KEY: Final = KeyId("")
_NO_OWNER: Final = OwnerId("")
# A member of an enumeration costs two look-ups to reach, a constant none.
_BEGUN: Final = Phase.OPENED
_ENDED: Final = Phase.ENDED
_WHOLE: Final = Phase.WHOLE
_COMPLETED: Final = EndReason.COMPLETED
_MOST_OPEN: Final = 200_000
"""Openings that wait for their ends; beyond it the oldest are forgotten, and their ends seen alone."""


class Joiner:
    """Joins the events of exchanges; it holds what is open."""

    __slots__ = ("_open",)

    def __init__(self, opened: Iterable[Sighting] = ()) -> None:
        self._open: dict[ExchangeId, Sighting] = {one.exchange: one for one in opened}

    def take(self, event: Event) -> Sighting | None:
        """Return what an event shows; None for the end of what was never seen to open."""
        if isinstance(event, ExchangeOpened):
            opened = _opened(event)
            self._open[event.exchange] = opened
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
            return opened
        if isinstance(event, ExchangeEnded):
            begun = self._open.pop(event.exchange, None)
            return _ended(begun, event) if begun is not None else None
        if isinstance(event, ExchangeInterrupted):
            begun = self._open.pop(event.exchange, None)
            if begun is None:
                return None
            return replace(begun, at=event.at, phase=_ENDED, reason="interrupted", cost=event.charged)
        if isinstance(event, ExchangeRefused):
            return _refused(event)
        return _acted(event)

    def waiting(self) -> tuple[Sighting, ...]:
        """Return the openings that wait for their ends, to be held over a restart."""
        return tuple(self._open.values())


def _opened(event: ExchangeOpened) -> Sighting:
    return _begun(event, event.target.provider, event.reserved.cost)


def _refused(event: ExchangeRefused) -> Sighting:
    begun = _begun(event, event.asked.provider or "", NOTHING)
    status, reason = event.status, event.reason.value
    return replace(begun, phase=_WHOLE, status=status, reason=reason, detail=event.detail)


def _ended(begun: Sighting, event: ExchangeEnded) -> Sighting:
    served, usage = event.served, event.usage
    finish = served.finish.lower()
    blocked = (
        finish in _FILTERED
        or served.error_code.lower() in _FILTERED
        or any(verdict.lower() in _FILTERED for _, verdict in served.filters)
    )
    return replace(
        begun,
        at=event.at,
        phase=_ENDED,
        status=event.status,
        reason="" if event.reason is _COMPLETED else event.reason.value,
        error_code=served.error_code,
        blocked=blocked,
        input_tokens=usage.input_tokens or begun.input_tokens,
        output_tokens=usage.output_tokens,
        images=usage.images,
        cost=event.cost,
        duration_us=event.duration_us,
    )


def _begun(event: ExchangeOpened | ExchangeRefused, provider: str, cost: NanoUsd) -> Sighting:
    # One look at each part, and one making of the whole: this is done for every exchange.
    client, asked, caller = event.client, event.asked, event.caller
    network, greeting, agent = client.network, client.greeting, client.user_agent
    prefix, headers = prefix_of(network.ip), client.header_hash
    return Sighting(
        at=event.at,
        phase=_BEGUN,
        exchange=event.exchange,
        key=caller.key or _NO_KEY,
        owner=caller.owner or _NO_OWNER,
        app=caller.app,
        context=context_id(prefix, greeting.ja4, headers),
        ip=network.ip,
        prefix=prefix,
        asn=network.asn,
        country=network.country,
        network=network.kind,
        ja4=greeting.ja4,
        alpn=greeting.alpn,
        http_version=client.http_version,
        header_names=client.header_names,
        header_hash=headers,
        agent=agent,
        agent_family=agent_family(agent),
        sdk=client.sdk,
        forwarded=len(client.forwarded),
        believed=client.believed,
        provider=provider,
        route=asked.route,
        operation=asked.operation,
        model=asked.model,
        api_version=asked.api_version,
        stream=asked.stream,
        modalities=asked.modalities,
        numbers=asked.numbers,
        tools=asked.tools,
        messages=asked.messages,
        empty=asked.empty,
        cap=_cap(asked),
        end_user=asked.end_user or "",
        body_hash=asked.body_hash or "",
        system_hash=asked.system_hash or "",
        chain=asked.chain or "",
        parent_chain=asked.parent_chain or "",
        input_tokens=asked.input_estimate,
        cost=cost,
    )


def _cap(asked: Asked) -> int | None:
    """Return the cap that was asked for, an impossible one included, which caps nothing."""
    for name, value in asked.numbers:
        if value <= 0 and name.rpartition(".")[2].replace("_", "").lower() in _CAPS:
            return int(value)
    return asked.output_cap


def _acted(event: Event) -> Sighting | None:
    at = event.at
    if isinstance(event, AdminActed):
        return _admin(at, event.action, event.by, outcome=event.outcome, detail=event.detail)
    if isinstance(event, KeyIssued):
        seen = _admin(at, event.kind, event.by, outcome="done", detail=event.app)
        return replace(seen, key=event.key, owner=event.owner)
    if isinstance(event, KeyChanged):
        seen = _admin(at, event.kind, event.by, outcome=event.after.value, detail=event.reason)
        return replace(seen, key=event.key, owner=event.owner)
    if isinstance(event, ProviderKeyStored | ProviderKeyRemoved):
        return replace(_admin(at, event.kind, event.by, outcome="done", detail=event.name), owner=event.owner)
    return None


def _admin(at: Instant, action: str, by: str, *, outcome: str, detail: str) -> Sighting:
    return Sighting(
        at=at,
        phase=Phase.ADMIN,
        exchange=ExchangeId(""),
        key=KeyId(""),
        owner=OwnerId(""),
        action=action,
        by=by,
        outcome=outcome,
        detail=detail,
    )
