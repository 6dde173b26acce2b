"""A playbook put to its vectors: does it plan what it should, and does the rehearsal judge it so?

Parts of a vector, each a TOML table: ``=== situation``, ``=== past`` with the lives that the owner's clients
led, and, where it fires, ``=== plan`` with the actions that come of it, in order::

    A client that two families agree on is refused; the owner's own goes on.
    === situation
    key = "k1"
    owner = "acme"
    contexts = ["thief"]
    severity = "high"
    families = ["network", "client"]
    === past
    [[life]]
    context = "shop"
    days = 30
    a_day = 24
    === plan
    [[action]]
    kind = "restrain"
    then = "runs"
    contexts = ["thief"]
    own_stopped = 0

``then`` says what becomes of an action after its rehearsal: it ``runs``, it ``asks`` a person, or it is
``vetoed``. What an action does not say is not compared. A quiet vector plans nothing, or only what is vetoed.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from chatelaine.core.playbook.plan import Playbook, judge, make_plan
from chatelaine.core.playbook.rehearse import rehearse
from chatelaine.core.playbook.work import rehearsed
from chatelaine.core.vector import VectorBroken, read_parts, read_table
from chatelaine.model.detection import Alert, Family, Phase, Severity, Sighting
from chatelaine.model.exchange import Modality
from chatelaine.model.playbook import Action, ActionInput, Situation
from chatelaine.model.words import (
    SECOND,
    AlertId,
    ContextId,
    ExchangeId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    OwnerId,
)

_NOW: Final = Instant(1_789_999_980 * SECOND)
_DAY: Final = 86_400 * SECOND
_DAYS: Final = 30
_THEN: Final = {ActionInput.START: "runs", ActionInput.ASK: "asks", ActionInput.VETO: "vetoed"}


_Part = TypeVar("_Part", bound=Struct)


class _Told(Struct, frozen=True, forbid_unknown_fields=True):
    """What a vector says of the situation."""

    key: KeyId = KeyId("k1")
    owner: OwnerId = OwnerId("acme")
    contexts: tuple[ContextId, ...] = ()
    prefixes: tuple[str, ...] = ()
    severity: str = "high"
    families: tuple[Family, ...] = (Family.NETWORK, Family.CLIENT)
    certain: bool = False
    canary: bool = False


class _Life(Struct, frozen=True, forbid_unknown_fields=True):
    """How a client used a key in the days before."""

    context: ContextId
    key: KeyId = KeyId("k1")
    prefix: str = ""
    own: bool = True
    days: int = 30
    a_day: int = 24
    tools: int = 0
    modalities: tuple[Modality, ...] = (Modality.TEXT,)


class _Past(Struct, frozen=True, forbid_unknown_fields=True):
    life: tuple[_Life, ...] = ()


class _Planned(Struct, frozen=True):
    action: tuple[dict[str, object], ...] = ()


def try_vector(playbook: Playbook, text: str, *, quiet: bool) -> list[str]:
    """Return what a vector says and that is not so; nothing where all is well.

    Raises:
        VectorBroken: the vector cannot be read.
    """
    parts = read_parts(text)
    if "situation" not in parts:
        raise VectorBroken("there is no situation")
    situation = _situation(_read(parts, "situation", _Told))
    lives = _read(parts, "past", _Past).life
    told = [_tell(playbook, one, lives, situation) for one in make_plan(playbook, situation, _NOW).actions]
    if quiet:
        return [f"it plans: {one['kind']} {one['then']}" for one in told if one["then"] != "vetoed"]
    return list(_compare(told, _read(parts, "plan", _Planned).action))


def _situation(told: _Told) -> Situation:
    try:
        severity = Severity[told.severity.upper()]
    except KeyError as error:
        raise VectorBroken(f"there is no severity {told.severity!r}") from error
    alert = Alert(
        id=AlertId("a" * 24),
        at=_NOW,
        key=told.key,
        owner=told.owner,
        contexts=told.contexts,
        severity=severity,
        families=told.families,
        certain=told.certain,
        actionable=told.certain or len(told.families) > 1,
        findings=(FindingId("f" * 24),),
        playbooks=(),
    )
    return Situation(
        alert=alert,
        incident=IncidentId("inc_vector000000"),
        prefixes=told.prefixes,
        canary=told.canary,
    )


def _tell(
    playbook: Playbook, action: Action, lives: tuple[_Life, ...], situation: Situation
) -> Mapping[str, object]:
    own = {(life.key, life.context) for life in lives if life.own}
    past = sorted((seen for life in lives for seen in _live(life)), key=lambda seen: seen.at)
    rehearsal = rehearse(action.wanted, past, lambda key, context: (key, context) in own, days=_DAYS)
    ready = rehearsed(action, rehearsal, at=_NOW, by="vector")
    given, _ = judge(ready, playbook.card, situation.alert)
    return {**_fields(rehearsal), **_fields(action.wanted), "then": _THEN[given]}


def _fields(value: Struct) -> dict[str, object]:
    told: dict[str, object] = msgspec.to_builtins(value)
    return {name: list(part) if isinstance(part, tuple) else part for name, part in told.items()}


def _live(life: _Life) -> Iterator[Sighting]:
    apart = _DAY // max(life.a_day, 1)
    for number in range(life.days * life.a_day):
        yield Sighting(
            at=Instant(_NOW - life.days * _DAY + number * apart),
            phase=Phase.OPENED,
            exchange=ExchangeId(f"{life.context}-{number}"),
            key=life.key,
            context=life.context,
            prefix=life.prefix,
            tools=life.tools,
            modalities=life.modalities,
        )


def _compare(told: list[Mapping[str, object]], wanted: tuple[dict[str, object], ...]) -> Iterator[str]:
    if not told:
        yield "it plans nothing"
    elif len(told) != len(wanted):
        yield f"it plans {[one['kind'] for one in told]}, which are {len(told)} and not {len(wanted)}"
    for place, (one, asked) in enumerate(zip(told, wanted, strict=False)):
        yield from (
            f"action {place}: {name} is {one.get(name)!r}, not {value!r}"
            for name, value in asked.items()
            if one.get(name) != value
        )


def _read(parts: Mapping[str, str], name: str, kind: type[_Part]) -> _Part:
    try:
        return msgspec.convert(read_table(parts.get(name, "")), kind)
    except msgspec.ValidationError as error:
        raise VectorBroken(f"the part {name!r} cannot be read: {error}") from error
