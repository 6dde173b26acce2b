"""Hold clients of a key back, and let them go again: the verbs ``restrain``, ``lift`` and ``restraints``."""

import argparse
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from chatelaine.model.error import UsageError
from chatelaine.model.link import Command, Lift, ListRestraints, Restrain, RestraintsTold
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import ActionId, ContextId, Instant, KeyId
from chatelaine.surfaces.cli.key_views import Json, reach_json, reach_text
from chatelaine.surfaces.cli.options import add_by, add_json, named_by, table
from chatelaine.surfaces.cli.values import duration, iso, positive

_A_MILLISECOND = timedelta(milliseconds=1)
_LANES = {
    Lane.REFUSE: "as an unknown key is",
    Lane.QUARANTINE: "text only, at a low rate, by containment.quarantine",
    Lane.THROTTLE: "at a rate of its own",
    Lane.TARPIT: "late",
    Lane.DECOY: "with a fixed text; nothing goes upstream",
}


class RestraintWork(Protocol):
    """What the verbs ask of the application."""

    def after(self, span: timedelta) -> Instant:
        """Return the instant that comes a span after now."""
        ...


def configure(verbs: Any) -> None:
    """Add the verbs to those of ``keys``."""
    restraining = verbs.add_parser("restrain", help="hold clients of a key back, for a time")
    restraining.add_argument("key", metavar="KEY", help="the key's id")
    lanes = "; ".join(f"{lane}: {text}" for lane, text in _LANES.items())
    restraining.add_argument(
        "--lane", required=True, type=Lane, choices=list(Lane), metavar="LANE", help=f"answered: {lanes}"
    )
    restraining.add_argument(
        "--for", dest="span", required=True, type=duration, metavar="DURATION", help="then it ends by itself"
    )
    _configure_whom(
        restraining.add_argument_group("whom", "all that is given must match; lists by repeating")
    )
    restraining.add_argument(
        "--requests-per-minute", type=positive, default=0, metavar="N", help="of throttle and quarantine"
    )
    restraining.add_argument(
        "--delay", type=duration, default=timedelta(), metavar="DURATION", help="of the tarpit"
    )
    _configure_record(restraining)
    lifting = verbs.add_parser("lift", help="lift a restraint before it ends")
    lifting.add_argument("restraint", metavar="RESTRAINT", help="the restraint's id: act_…")
    _configure_record(lifting)
    add_json(verbs.add_parser("restraints", help="list the restraints that stand"))


def _configure_whom(whom: Any) -> None:
    whom.add_argument("--context", action="append", default=[], help="a client context's id")
    whom.add_argument(
        "--prefix",
        action="append",
        default=[],
        metavar="CIDR",
        help="the /24 (IPv4) or /48 (IPv6) it comes from",
    )
    whom.add_argument("--ja4", action="append", default=[], help="its TLS client")
    whom.add_argument(
        "--foreign", action="store_true", help="every client that the key's habit does not know"
    )
    whom.add_argument("--everyone", action="store_true", help="the owner's clients too")


def _configure_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="why, in your words")
    add_by(parser)
    add_json(parser)


def makers(arguments: argparse.Namespace, work: RestraintWork) -> Mapping[str, Callable[[], Command]]:
    """Return what makes the command of each verb."""
    return {
        "restrain": lambda: Restrain(
            restraint=_restraint(arguments, work), by=named_by(arguments), reason=arguments.reason
        ),
        "lift": lambda: Lift(
            restraint=ActionId(arguments.restraint), by=named_by(arguments), reason=arguments.reason
        ),
        "restraints": ListRestraints,
    }


def _restraint(arguments: argparse.Namespace, work: RestraintWork) -> Restraint:
    named = bool(arguments.context or arguments.prefix or arguments.ja4 or arguments.foreign)
    if named == arguments.everyone:
        raise UsageError(
            "say whom it holds for" if not named else "--everyone stands beside clients that are named",
            hint="--foreign, --context, --prefix, --ja4; or --everyone, the key's owner included",
        )
    return Restraint(
        id=ActionId(""),
        key=KeyId(arguments.key),
        lane=arguments.lane,
        until=work.after(arguments.span),
        contexts=tuple(ContextId(context) for context in arguments.context),
        prefixes=tuple(arguments.prefix),
        ja4s=tuple(arguments.ja4),
        foreign=arguments.foreign,
        requests_per_minute=arguments.requests_per_minute,
        delay_ms=arguments.delay // _A_MILLISECOND,
    )


def told_json(told: RestraintsTold) -> dict[str, Json]:
    """Return restraints as the command line's JSON."""
    return {"restraints": [_json(one) for one in told.restraints], "reach": reach_json(told.reach)}


def _json(restraint: Restraint) -> Json:
    return {
        "id": restraint.id,
        "key": restraint.key,
        "lane": restraint.lane.value,
        "until": iso(restraint.until),
        "contexts": list(restraint.contexts),
        "prefixes": list(restraint.prefixes),
        "ja4s": list(restraint.ja4s),
        "foreign": restraint.foreign,
        "incident": restraint.incident or None,
        "requests_per_minute": restraint.requests_per_minute or None,
        "delay_ms": restraint.delay_ms or None,
    }


def told_text(told: RestraintsTold) -> str:
    """Return restraints as a table."""
    if not told.restraints:
        return "no restraint stands\n"
    rows = ((one.id, one.key, one.lane.value, iso(one.until) or "", _whom(one)) for one in told.restraints)
    return table(("id", "key", "lane", "until", "whom"), rows) + reach_text(told.reach)


def _whom(restraint: Restraint) -> str:
    parts = [*restraint.contexts, *restraint.prefixes, *restraint.ja4s]
    unknown = ["unknown clients"] if restraint.foreign else []
    return ", ".join([*unknown, *parts]) or "everyone"
