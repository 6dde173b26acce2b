"""Try the receivers of notices, and look after what did not arrive: ``chatelaine notify``."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from chatelaine.model.error import UsageError
from chatelaine.model.notice import Delivery, Parcel, PutOff, Reception, Taken
from chatelaine.model.words import NoticeId, ReceiverName
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import add_by, add_json, named_by, show, table
from chatelaine.surfaces.cli.values import iso

_FINE = 0
_FAILED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverTold:
    """A receiver of the settings, and how many deliveries to it there are."""

    name: ReceiverName
    kind: str
    where: str
    min_severity: str
    owners: tuple[str, ...]
    waiting: int
    sent: int
    dead: int


class NotifyWork(Protocol):
    """What the command asks of the application."""

    def receivers(self) -> Sequence[ReceiverTold]:
        """Return the receivers of the settings."""
        ...

    def dead(self) -> Sequence[Parcel]:
        """Return what was given up, the newest first."""
        ...

    def retry(self, notice: NoticeId | None, receiver: ReceiverName | None, *, by: str) -> Sequence[Delivery]:
        """Have dead deliveries tried again; None stands for any."""
        ...

    def test(self, name: ReceiverName, *, by: str) -> Reception:
        """Send a receiver a test, and return how that ended."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    testing = verbs.add_parser(
        "test", help="send a receiver a notice that says it is a test; this is recorded"
    )
    testing.add_argument("name", metavar="NAME", help="the receiver's name in the settings")
    add_by(testing)
    add_json(testing)
    listing = verbs.add_parser("list", help="list the receivers, and how many notices wait for each")
    add_json(listing)
    dead = verbs.add_parser("dead", help="list the notices that were given up, with why")
    add_json(dead)
    retrying = verbs.add_parser("retry", help="have notices tried again that were given up; this is recorded")
    retrying.add_argument("notice", metavar="ID", nargs="?", help="the notice's id: msg_…")
    retrying.add_argument("--all", action="store_true", help="all that were given up")
    retrying.add_argument("--receiver", metavar="NAME", help="to this receiver alone")
    add_by(retrying)
    add_json(retrying)


def run(arguments: argparse.Namespace, work: NotifyWork) -> int:
    """Carry the command out; a test that does not arrive makes it fail."""
    verbs = {"test": _test, "list": _list, "dead": _dead, "retry": _retry}
    return verbs[arguments.verb](arguments, work)


def _test(arguments: argparse.Namespace, work: NotifyWork) -> int:
    how = work.test(ReceiverName(arguments.name), by=named_by(arguments))
    fault = "" if isinstance(how, Taken) else how.fault
    if arguments.json:
        _write({"receiver": arguments.name, "result": _result(how), "fault": fault or None})
    elif not fault:
        show(f"{arguments.name} has taken the test\n")
    if fault:
        again = "a notice would be tried again" if isinstance(how, PutOff) else "a notice would be given up"
        sys.stderr.write(f"chatelaine: {arguments.name} has not taken the test: {fault}\n  {again}\n")
    return _FAILED if fault else _FINE


def _result(how: Reception) -> str:
    if isinstance(how, Taken):
        return "taken"
    return "put_off" if isinstance(how, PutOff) else "refused"


def _list(arguments: argparse.Namespace, work: NotifyWork) -> int:
    found = work.receivers()
    if arguments.json:
        _write({"receivers": [{**asdict(one), "owners": list(one.owners)} for one in found]})
        return _FINE
    rows = (
        (
            one.name,
            one.kind,
            one.where or "-",
            one.min_severity,
            ", ".join(one.owners) or "all",
            *map(str, (one.waiting, one.sent, one.dead)),
        )
        for one in found
    )
    heads = ("name", "kind", "where", "from", "owners", "waiting", "sent", "dead")
    show(table(heads, rows) if found else "no receivers: name them under notify: in the settings\n")
    return _FINE


def _dead(arguments: argparse.Namespace, work: NotifyWork) -> int:
    found = work.dead()
    if arguments.json:
        _write({"dead": [_parcel(one) for one in found]})
        return _FINE
    rows = (
        (
            one.notice.id,
            one.delivery.receiver,
            iso(one.notice.at) or "",
            one.notice.severity.name.lower(),
            str(one.delivery.attempts),
            one.delivery.fault,
        )
        for one in found
    )
    heads = ("id", "receiver", "at", "severity", "attempts", "why")
    show(table(heads, rows) if found else "nothing was given up\n")
    return _FINE


def _retry(arguments: argparse.Namespace, work: NotifyWork) -> int:
    if bool(arguments.notice) is arguments.all:
        raise UsageError("which notice?", hint="chatelaine notify retry ID, or --all")
    receiver = ReceiverName(arguments.receiver) if arguments.receiver else None
    notice = NoticeId(arguments.notice) if arguments.notice else None
    again = work.retry(notice, receiver, by=named_by(arguments))
    if arguments.json:
        _write({"retried": [{"id": one.notice, "receiver": one.receiver} for one in again]})
    else:
        show(f"{len(again)} to be tried again: at once while `chatelaine up` runs, else when it does\n")
    return _FINE


def _parcel(one: Parcel) -> Json:
    notice, delivery = one.notice, one.delivery
    return {
        "id": notice.id,
        "receiver": delivery.receiver,
        "at": iso(notice.at),
        "given_up_at": iso(delivery.changed_at),
        "kind": notice.kind.value,
        "severity": notice.severity.name.lower(),
        "title": notice.title,
        "incident": notice.incident or None,
        "attempts": delivery.attempts,
        "fault": delivery.fault,
    }


def _write(told: Json) -> None:
    show(json.dumps(told, indent=2) + "\n")
