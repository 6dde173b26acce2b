"""List, show, work on, judge and close incidents, and decide on their actions: ``chatelaine incidents``."""

import argparse
import json
from collections.abc import Callable
from typing import Protocol

from chatelaine.model.desk import (
    ActionsTold,
    ChangeIncident,
    DecideAction,
    IncidentCommand,
    IncidentsTold,
    IncidentTold,
    ListIncidents,
    ProposePlaybook,
    ShowIncident,
)
from chatelaine.model.detection import Severity
from chatelaine.model.incident import IncidentInput, IncidentState, VerdictKind
from chatelaine.model.link import Command, Reply
from chatelaine.model.playbook import ActionInput
from chatelaine.model.words import ActionId, IncidentId, PlaybookId
from chatelaine.surfaces.cli import incident_views as views
from chatelaine.surfaces.cli.options import add_by, add_json, named_by, show
from chatelaine.surfaces.cli.values import positive

_OVER = frozenset({IncidentState.CLOSED, IncidentState.MERGED})
_LIVE = tuple(state for state in IncidentState if state not in _OVER)
_DECISIONS = {
    "approve": (ActionInput.APPROVE, "let an action run that waits for it, was vetoed, or failed"),
    "veto": (ActionInput.VETO, "let an action that waits for approval not run"),
    "undo": (ActionInput.UNDO, "take back an action that is in force"),
}


class IncidentWork(Protocol):
    """What the command asks of the application."""

    def carry_out(self, command: Command) -> Reply:
        """Carry a command out, by the hub or on the store."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listed = verbs.add_parser("list", help="list incidents that are not over, what changed last first")
    listed.add_argument(
        "--state",
        action="append",
        default=[],
        type=IncidentState,
        choices=list(IncidentState),
        metavar="STATE",
        help=f"incidents in this state: {', '.join(IncidentState)}; repeat it for more",
    )
    listed.add_argument("--all", action="store_true", help="incidents in every state")
    listed.add_argument("--limit", type=positive, default=100, metavar="N", help="so many at most (100)")
    severities = [one.name.lower() for one in Severity]
    listed.add_argument(
        "--fail-on",
        choices=severities,
        metavar="SEVERITY",
        help=f"exit with 1 where one is at least so severe: {', '.join(severities)}",
    )
    add_json(listed)
    shown = verbs.add_parser("show", help="show one incident: its story, its money, its actions")
    shown.add_argument("incident", metavar="INCIDENT", help="the incident's id")
    add_json(shown)
    _configure_work(verbs)
    for verb, (_, text) in _DECISIONS.items():
        decided = verbs.add_parser(verb, help=text)
        decided.add_argument("action", metavar="ACTION", help="the action's id")
        decided.add_argument("--reason", default="", help="why, in your words")
        _end(decided)


def _configure_work(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    assigning = _about(verbs.add_parser("assign", help="let somebody work on an incident"))
    assigning.add_argument("--to", required=True, metavar="NAME", help="who works on it")
    noting = _about(verbs.add_parser("note", help="write something down about an incident"))
    noting.add_argument("text", metavar="TEXT", help="what to write down")
    judging = _about(verbs.add_parser("verdict", help="say what an incident is"))
    judging.add_argument(
        "verdict", type=VerdictKind, choices=list(VerdictKind), metavar="VERDICT", help=", ".join(VerdictKind)
    )
    judging.add_argument("--reason", required=True, help="what you saw")
    closing = _about(verbs.add_parser("close", help="close an incident, with a verdict unless it has one"))
    closing.add_argument(
        "--verdict",
        type=VerdictKind,
        choices=list(VerdictKind),
        metavar="VERDICT",
        help=f"{', '.join(VerdictKind)}; what was harmless releases what was done for it",
    )
    closing.add_argument("--reason", required=True, help="what you saw, and what was done")
    reopening = _about(verbs.add_parser("reopen", help="open a closed incident again"))
    reopening.add_argument("--reason", required=True, help="why")
    proposing = _about(verbs.add_parser("propose", help="plan and rehearse a playbook; its actions wait"))
    proposing.add_argument("playbook", metavar="PLAYBOOK", help="the playbook's id")
    for each in (assigning, noting, judging, closing, reopening, proposing):
        _end(each)


def _about(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("incident", metavar="INCIDENT", help="the incident's id")
    return parser


def _end(parser: argparse.ArgumentParser) -> None:
    add_by(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, work: IncidentWork) -> int:
    """Carry the command out."""
    reply = work.carry_out(_command(arguments))
    if arguments.json:
        show(json.dumps(views.reply_json(reply), indent=2) + "\n")
    elif isinstance(reply, IncidentsTold):
        show(views.incidents_text(reply.incidents))
    elif isinstance(reply, IncidentTold):
        show(views.story_text(reply.story))
    elif isinstance(reply, ActionsTold):
        show(views.actions_text(reply))
    if isinstance(reply, IncidentsTold) and arguments.fail_on:
        least = Severity[arguments.fail_on.upper()]
        return 1 if any(one.severity >= least for one in reply.incidents) else 0
    return 0


def _command(arguments: argparse.Namespace) -> IncidentCommand:
    if arguments.verb == "list":
        states = () if arguments.all else tuple(arguments.state) or _LIVE
        return ListIncidents(states, arguments.limit)
    if arguments.verb == "show":
        return ShowIncident(IncidentId(arguments.incident))
    if arguments.verb in _DECISIONS:
        return DecideAction(
            action=ActionId(arguments.action),
            decision=_DECISIONS[arguments.verb][0],
            by=named_by(arguments),
            reason=arguments.reason,
        )
    if arguments.verb == "propose":
        return ProposePlaybook(
            incident=IncidentId(arguments.incident),
            playbook=PlaybookId(arguments.playbook),
            by=named_by(arguments),
        )
    texts: dict[str, tuple[IncidentInput, Callable[[], str]]] = {
        "assign": (IncidentInput.ASSIGN, lambda: arguments.to),
        "note": (IncidentInput.NOTE, lambda: arguments.text),
        "verdict": (IncidentInput.VERDICT, lambda: arguments.reason),
        "close": (IncidentInput.CLOSE, lambda: arguments.reason),
        "reopen": (IncidentInput.REOPEN, lambda: arguments.reason),
    }
    change, text = texts[arguments.verb]
    return ChangeIncident(
        incident=IncidentId(arguments.incident),
        change=change,
        by=named_by(arguments),
        text=text(),
        verdict=getattr(arguments, "verdict", None),
    )
