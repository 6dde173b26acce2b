"""Grants: compiled once, checked for each request, narrowed but never widened.

An empty part of a grant limits nothing, so every check first asks whether there is a limit at all.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeVar

from chatelaine.model.error import UsageError
from chatelaine.model.exchange import Modality, Operation, RefusalReason
from chatelaine.model.key import Grant, HourSpan
from chatelaine.model.limit import Allowance
from chatelaine.model.words import SECOND, Instant, NanoUsd, UpstreamName

MINUTES_A_DAY = 1440
DAYS_A_WEEK = 7
MINUTES_A_WEEK = DAYS_A_WEEK * MINUTES_A_DAY

_MINUTE = 60 * SECOND
_EPOCH_MINUTE = 3 * MINUTES_A_DAY
"""1970-01-01 was a Thursday; weeks are counted from Monday."""

_MODELLESS = frozenset({Operation.LIST, Operation.FILE})
"""Operations that reach no model by themselves; a batch does, so it must name one that is granted."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Block = ipaddress.IPv4Network | ipaddress.IPv6Network
_Span = tuple[int, int]
"""Minutes of the week, from Monday 00:00 UTC: the first inside and the first after."""

_T = TypeVar("_T")
_Limit = TypeVar("_Limit", int, NanoUsd)


@dataclass(frozen=True, slots=True)
class CompiledGrant:
    """A grant in the form in which it is checked; None means not limited."""

    networks: tuple[_Block, ...] | None
    spans: tuple[_Span, ...] | None
    upstreams: frozenset[UpstreamName] | None
    models: frozenset[str] | None
    """Names granted exactly."""
    prefixes: tuple[str, ...]
    """What names may begin with; only looked at where ``models`` limits."""
    operations: frozenset[Operation] | None
    modalities: frozenset[Modality] | None
    any_request: bool
    """True where models, operations and modalities are not limited: the common case, checked first."""


@lru_cache(maxsize=1024)
def compile_grant(grant: Grant) -> CompiledGrant:
    """Compile a grant; keys that were granted the same hold the same compiled grant.

    Raises:
        UsageError: a network, an hour span, a model pattern or a limit makes no sense.
    """
    _check_limits(grant)
    exact, prefixes = _model_patterns(grant.models)
    limits_models = bool(grant.models) and "" not in prefixes
    return CompiledGrant(
        networks=tuple(_block(cidr) for cidr in grant.networks) or None,
        spans=tuple(sorted(span for hours in grant.hours for span in _spans(hours))) or None,
        upstreams=frozenset(grant.upstreams) or None,
        models=exact if limits_models else None,
        prefixes=prefixes,
        operations=frozenset(grant.operations) or None,
        modalities=frozenset(grant.modalities) or None,
        any_request=not (limits_models or grant.operations or grant.modalities),
    )


def _check_limits(grant: Grant) -> None:
    for name in ("requests_per_minute", "tokens_per_minute", "parallel", "spend_per_day", "spend_per_month"):
        limit = getattr(grant, name)
        if limit is not None and limit < 0:
            raise UsageError(f"{name} is {limit}", hint="a limit is zero or more; leave it out for no limit")


def _model_patterns(models: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    for model in models:
        if not re.fullmatch(r"[^*]+\*?|\*", model):
            raise UsageError(
                f"{model!r} is not a model pattern",
                hint="write a model's name, or a beginning of names and *",
            )
    prefixes = tuple(model[:-1] for model in models if model.endswith("*"))
    return frozenset(model for model in models if not model.endswith("*")), prefixes


def _block(cidr: str) -> _Block:
    """Read a CIDR block; IPv4-mapped blocks become the IPv4 blocks they stand for."""
    try:
        block = ipaddress.ip_network(cidr)
    except ValueError as error:
        raise UsageError(
            f"{cidr!r} is not a network: {error}",
            hint="write a CIDR block such as 10.1.0.0/16 or 2001:db8::/32",
        ) from error
    mapped = 96
    if isinstance(block, ipaddress.IPv6Network) and block.prefixlen >= mapped:
        inner = block.network_address.ipv4_mapped
        if inner is not None:
            return ipaddress.IPv4Network((inner, block.prefixlen - mapped))
    return block


def _spans(hours: HourSpan) -> list[_Span]:
    """Return the spans of the week, split where one runs over Sunday's end.

    A span that ends before it begins runs past midnight and belongs to the day it begins on.
    """
    begin, end = hours.from_minute, hours.to_minute
    inside = 0 <= begin < MINUTES_A_DAY and 0 <= end <= MINUTES_A_DAY and begin != end
    if not inside or not hours.weekdays or not all(0 <= day < DAYS_A_WEEK for day in hours.weekdays):
        raise UsageError(
            f"an hour span of weekdays {hours.weekdays} from minute {begin} to {end} makes no sense",
            hint="weekdays are 0 (Monday) to 6, minutes 0 to 1440; a whole day is 0 to 1440",
        )
    length = end - begin if end > begin else end - begin + MINUTES_A_DAY
    spans: list[_Span] = []
    for day in hours.weekdays:
        first = day * MINUTES_A_DAY + begin
        spans.append((first, min(first + length, MINUTES_A_WEEK)))
        if first + length > MINUTES_A_WEEK:
            spans.append((0, first + length - MINUTES_A_WEEK))
    return spans


@lru_cache(maxsize=8192)
def _address(ip: str) -> _Address | None:
    """Read an address; an IPv4-mapped one is the IPv4 address it stands for (RFC 4291 §2.5.5.2)."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def check_address(granted: CompiledGrant, ip: str) -> RefusalReason | None:
    """Return why a caller at this address is refused, or None; what is no address is refused."""
    if granted.networks is None:
        return None
    address = _address(ip)
    if address is not None and any(address in block for block in granted.networks):
        return None
    return RefusalReason.ADDRESS_NOT_GRANTED


def check_hours(granted: CompiledGrant, now: Instant) -> RefusalReason | None:
    """Return why the key may not be used at this hour of the week (UTC), or None."""
    if granted.spans is None:
        return None
    minute = (now // _MINUTE + _EPOCH_MINUTE) % MINUTES_A_WEEK
    if any(first <= minute < end for first, end in granted.spans):
        return None
    return RefusalReason.HOUR_NOT_GRANTED


def check_request(
    granted: CompiledGrant, *, model: str, operation: Operation, modalities: Sequence[Modality]
) -> RefusalReason | None:
    """Return why what is asked is refused, or None.

    A request that names no model is refused where models are limited, but for listings and files.
    """
    if granted.any_request:
        return None
    if granted.operations is not None and operation not in granted.operations:
        return RefusalReason.OPERATION_NOT_GRANTED
    if granted.models is not None and not _model_granted(granted, model, operation):
        return RefusalReason.MODEL_NOT_GRANTED
    if granted.modalities is not None and not granted.modalities.issuperset(modalities):
        return RefusalReason.MODALITY_NOT_GRANTED
    return None


def _model_granted(granted: CompiledGrant, model: str, operation: Operation) -> bool:
    if not model:
        return operation in _MODELLESS
    return model in (granted.models or ()) or model.startswith(granted.prefixes)


def granted_upstreams(granted: CompiledGrant, names: tuple[UpstreamName, ...]) -> tuple[UpstreamName, ...]:
    """Return those of the upstreams that the key may use, in order; none left means refusal."""
    if granted.upstreams is None:
        return names
    return tuple(name for name in names if name in granted.upstreams)


def allowance(grant: Grant) -> Allowance:
    """Return the limits of a grant in the meter's units."""
    return Allowance(
        requests_per_minute=grant.requests_per_minute,
        tokens_per_minute=grant.tokens_per_minute,
        parallel=grant.parallel,
        spend_per_day=grant.spend_per_day,
        spend_per_month=grant.spend_per_month,
    )


def narrow(grant: Grant, by: Grant) -> Grant:
    """Return the grant that allows what both allow; so nothing handed on can be widened.

    Raises:
        UsageError: nothing is left of a part: it cannot be written as an empty one, which limits nothing.
    """
    return Grant(
        upstreams=_common("upstreams", grant.upstreams, by.upstreams),
        models=_met("models", grant.models, by.models, _narrower_model),
        operations=_common("operations", grant.operations, by.operations),
        modalities=_common("modalities", grant.modalities, by.modalities),
        networks=_met("networks", grant.networks, by.networks, _narrower_network),
        hours=_common_hours(grant.hours, by.hours),
        requests_per_minute=_least(grant.requests_per_minute, by.requests_per_minute),
        tokens_per_minute=_least(grant.tokens_per_minute, by.tokens_per_minute),
        parallel=_least(grant.parallel, by.parallel),
        spend_per_day=_least(grant.spend_per_day, by.spend_per_day),
        spend_per_month=_least(grant.spend_per_month, by.spend_per_month),
    )


def _least(one: _Limit | None, other: _Limit | None) -> _Limit | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def _left(part: str, found: tuple[_T, ...]) -> tuple[_T, ...]:
    if not found:
        raise UsageError(f"the two grants have no {part} in common", hint="such a key could do nothing")
    return found


def _common(part: str, one: tuple[_T, ...], other: tuple[_T, ...]) -> tuple[_T, ...]:
    if not one or not other:
        return one or other
    return _left(part, tuple(item for item in one if item in other))


def _met(
    part: str, one: tuple[str, ...], other: tuple[str, ...], narrower: Callable[[str, str], str | None]
) -> tuple[str, ...]:
    if not one or not other:
        return one or other
    met = (narrower(left, right) for left, right in product(one, other))
    return _left(part, tuple(dict.fromkeys(item for item in met if item is not None)))


def _narrower_model(one: str, other: str) -> str | None:
    """Return what two patterns both match: the longer one where the other reaches it."""
    for wide, close in ((one, other), (other, one)):
        if wide == close or (wide.endswith("*") and close.removesuffix("*").startswith(wide[:-1])):
            return close
    return None


def _narrower_network(one: str, other: str) -> str | None:
    """Return what two blocks share: the smaller where it lies in the other (RFC 4632 §3.1)."""
    left, right = _block(one), _block(other)
    if left.version != right.version or not left.overlaps(right):
        return None
    return str(left if left.prefixlen >= right.prefixlen else right)


def _common_hours(one: tuple[HourSpan, ...], other: tuple[HourSpan, ...]) -> tuple[HourSpan, ...]:
    if not one or not other:
        return one or other
    mine, theirs = ([span for hours in part for span in _spans(hours)] for part in (one, other))
    shared = {(max(left[0], right[0]), min(left[1], right[1])) for left, right in product(mine, theirs)}
    days = (piece for first, end in sorted(shared) if first < end for piece in _by_day(first, end))
    return _left("hours", tuple(dict.fromkeys(days)))


def _by_day(first: int, end: int) -> Iterator[HourSpan]:
    """Split a span of the week at midnights."""
    while first < end:
        day, minute = divmod(first, MINUTES_A_DAY)
        midnight = (day + 1) * MINUTES_A_DAY
        yield HourSpan((day,), minute, min(end, midnight) - day * MINUTES_A_DAY)
        first = midnight
