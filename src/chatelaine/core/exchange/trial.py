"""A provider put to its vectors: is its request recognised and read, its reply, its refusal?

Parts of a vector: ``request`` (an HTTP request), ``asked`` (what its route and its body say),
``reply`` (an HTTP reply), ``served`` (what the reply says), ``refusal`` (a refusal as it is decided)
and ``refused`` (the reply it is told as). A vector named ``quiet_*`` shows a neighbour that the
provider must not take for its own.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from chatelaine.core.exchange.route import RouteTable
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.stream.select import tap_for
from chatelaine.core.vector import Message, VectorBroken, read_message, read_parts, read_table
from chatelaine.model.error import BodyUnreadable, WireError
from chatelaine.model.exchange import Refusal, RefusalReason, RouteMatch, Shape
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ExchangeId, ProviderId

EXCHANGE: Final = ExchangeId("0123456789abcdef01234567")
"""The exchange that the refusals of vectors belong to."""

_REASONS: Final = frozenset(reason.value for reason in RefusalReason)


class Trial(NamedTuple):
    """A provider, the table its routes stand in, and how it tells refusals."""

    provider: ProviderId
    table: RouteTable
    refuse: Callable[[Refusal, ExchangeId], RefusedReply]


def try_vector(trial: Trial, text: str, *, quiet: bool) -> list[str]:
    """Return what a vector says and that is not so; nothing where all is well.

    Raises:
        VectorBroken: the vector cannot be read.
    """
    parts = read_parts(text)
    if "refusal" in parts:
        return list(_try_refusal(trial, parts))
    if "request" not in parts:
        raise VectorBroken("there is neither a request nor a refusal")
    request = read_message(parts["request"])
    try:
        match = _match(trial, request)
    except WireError as fault:
        return [] if quiet else [f"the request is refused: {fault.message}"]
    if quiet:
        return list(_try_quiet(trial, match, request))
    if match is None:
        return ["no route fits the request"]
    return [*_try_request(trial, match, request, parts), *_try_reply(match, parts)]


def _match(trial: Trial, request: Message) -> RouteMatch | None:
    method, _, target = request.start.partition(" ")
    return trial.table.match(method.encode(), target.encode(), request.headers.__contains__)


def _try_quiet(trial: Trial, match: RouteMatch | None, request: Message) -> Iterator[str]:
    if match is None or match.provider != trial.provider:
        return
    try:
        GRAMMARS[match.grammar or "plain"].read_request(request.body)
    except BodyUnreadable:
        return
    yield f"the request is taken for {match.template}"


def _try_request(
    trial: Trial, match: RouteMatch, request: Message, parts: Mapping[str, str]
) -> Iterator[str]:
    if match.provider != trial.provider:
        yield f"the request is taken for {match.provider}'s"
        return
    try:
        held = match.grammar and request.body and not match.upload
        shape = GRAMMARS[match.grammar].read_request(request.body) if held else Shape(modalities=())
    except BodyUnreadable as fault:
        yield f"the body is refused: {fault.message}"
        return
    found: dict[str, object] = {
        "route": match.template,
        "operation": match.operation.value,
        "model": match.model or shape.model,
        "stream": shape.stream if match.stream is None else match.stream,
        "output_cap": shape.output_cap or 0,
        "choices": shape.choices,
        "modalities": [modality.value for modality in shape.modalities],
        "tools": shape.tools,
        "images": shape.images,
        "messages": len(shape.messages),
        "last_assistant": shape.last_assistant,
        "end_user": shape.end_user,
        "empty": shape.empty,
        "numbers": dict(shape.numbers),
    }
    yield from _compare("asked", read_table(parts.get("asked", "")), found)


def _try_reply(match: RouteMatch, parts: Mapping[str, str]) -> Iterator[str]:
    if "reply" not in parts:
        return
    reply = read_message(f"\n{parts['reply']}")
    tap = tap_for(reply.headers.get("content-type", ""), match.grammar, websocket=match.websocket)
    for start in range(len(reply.body)):
        tap.feed(reply.body[start : start + 1])
    served = tap.served()
    found: dict[str, object] = {
        "model": served.model,
        "reply_id": served.reply_id,
        "finish": served.finish,
        "error_code": served.error_code,
        "filters": dict(served.filters),
        "output_estimate": tap.output_estimate(),
    }
    if served.usage is not None:
        found |= {name: getattr(served.usage, name) for name in served.usage.__struct_fields__}
    yield from _compare("served", read_table(parts.get("served", "")), found)


def _try_refusal(trial: Trial, parts: Mapping[str, str]) -> Iterator[str]:
    said = read_table(parts["refusal"])
    status, reason = said.get("status"), said.get("reason")
    if reason not in _REASONS:
        raise VectorBroken(f"there is no reason {reason!r} to refuse for")
    refusal = Refusal(
        RefusalReason(str(reason)),
        status if isinstance(status, int) else 0,
        str(said.get("code", "")),
        str(said.get("message", "")),
    )
    told = trial.refuse(refusal, EXCHANGE)
    wanted = read_message(f"\n{parts.get('refused', '')}")
    if dict(told.headers) != dict(_cased(wanted, told)):
        yield f"the headers are {dict(told.headers)}"
    if told.body != wanted.body:
        yield f"the body is {told.body.decode()}"


def _cased(wanted: Message, told: RefusedReply) -> Iterator[tuple[str, str]]:
    """Yield the wanted headers with the letters of those that were told: names have no case."""
    cases = {name.lower(): name for name, _ in told.headers}
    return ((cases.get(name, name), value) for name, value in wanted.headers.items())


def _compare(part: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name, value in wanted.items():
        if name not in found or found[name] != value:
            yield f"{part}.{name} is {found.get(name)!r}, not {value!r}"
