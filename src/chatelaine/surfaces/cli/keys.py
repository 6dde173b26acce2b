"""Issue, list, show and change virtual keys, and keep provider keys: ``chatelaine keys``."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from chatelaine.model.error import UsageError
from chatelaine.model.exchange import Modality, Operation
from chatelaine.model.key import Grant, KeyInput, KeyRequest
from chatelaine.model.link import (
    ChangeKey,
    Command,
    IssueKey,
    KeyIssuedTold,
    KeysTold,
    ListKeys,
    ListProviderKeys,
    ProviderKeysTold,
    RemoveProviderKey,
    Reply,
    RestraintsTold,
    RotateKey,
    ShowKey,
    StoreProviderKey,
)
from chatelaine.model.playbook import UnknownClient
from chatelaine.model.words import AppName, KeyId, OwnerId, ProviderKeyName, UpstreamName
from chatelaine.surfaces.cli import key_views, restraints
from chatelaine.surfaces.cli.options import add_by, add_json, named_by, show
from chatelaine.surfaces.cli.values import duration, hours, lifetime, money, positive

_UNSET = timedelta(-1)
_LARGEST_VALUE = 64 * 1024
_CHANGES = {
    "suspend": (KeyInput.SUSPEND, "stop a key until it is resumed"),
    "resume": (KeyInput.RESUME, "let a suspended key work again"),
    "expose": (KeyInput.EXPOSE, "mark a key as in other hands: it works no more"),
    "revoke": (KeyInput.REVOKE, "stop a key for good"),
}


class KeyWork(restraints.RestraintWork, Protocol):
    """What the command asks of the application."""

    @property
    def lifetime(self) -> timedelta:
        """How long a key lives where nothing else is said."""
        ...

    def carry_out(self, command: Command) -> Reply:
        """Carry a command out, by the hub or on the store."""
        ...

    def exports(self, token: str) -> str:
        """Return the lines that point a client at the gate with a token."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _configure_issue(verbs.add_parser("issue", help="issue a key; its token is shown once"))
    add_json(verbs.add_parser("list", help="list all keys"))
    shown = verbs.add_parser("show", help="show one key")
    shown.add_argument("key", metavar="KEY", help="the key's id")
    add_json(shown)
    for verb, (_, text) in _CHANGES.items():
        _configure_change(verbs.add_parser(verb, help=text))
    rotating = verbs.add_parser("rotate", help="issue a successor; the old token works on for the overlap")
    _configure_change(rotating)
    rotating.add_argument(
        "--overlap", type=duration, metavar="DURATION", help="how long the old token works on"
    )
    restraints.configure(verbs)
    _configure_provider(verbs.add_parser("provider", help="keep the providers' own keys, sealed"))


def _configure_issue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--owner", required=True, help="tenant, team or customer")
    parser.add_argument("--app", required=True, help="the application it is for")
    parser.add_argument("--contact", required=True, help="whom to tell when something is wrong")
    parser.add_argument("--env", default="live", help="part of the token: live, test … (default: live)")
    parser.add_argument(
        "--lifetime",
        type=lifetime,
        default=_UNSET,
        metavar="DURATION",
        help="90d, or none (default: settings)",
    )
    parser.add_argument(
        "--canary", action="store_true", help="bait: whoever uses it is answered by the decoy lane"
    )
    parser.add_argument(
        "--unknown-client",
        type=UnknownClient,
        choices=list(UnknownClient),
        metavar="ANSWER",
        help="at clients its settled habit never had: observe, quarantine, refuse (default: settings)",
    )
    grant = parser.add_argument_group("grant", "what is not given is not limited; lists by repeating")
    grant.add_argument("--upstream", action="append", default=[], help="an upstream's name")
    grant.add_argument("--model", action="append", default=[], help="a model's name; gpt-5* for any ending")
    for name, words in (("operation", Operation), ("modality", Modality)):
        listed = ", ".join(words)
        grant.add_argument(
            f"--{name}",
            action="append",
            default=[],
            type=words,
            choices=list(words),
            metavar="NAME",
            help=listed,
        )
    grant.add_argument("--network", action="append", default=[], metavar="CIDR", help="where it may be used")
    grant.add_argument(
        "--hours", action="append", default=[], type=hours, help="'mon-fri 08:00-18:00', in UTC"
    )
    grant.add_argument("--requests-per-minute", type=positive, metavar="N", help="requests in any minute")
    grant.add_argument("--tokens-per-minute", type=positive, metavar="N", help="tokens in any minute")
    grant.add_argument("--parallel", type=positive, metavar="N", help="exchanges at one time")
    grant.add_argument("--spend-per-day", type=money, metavar="USD", help="US dollars a day (UTC)")
    grant.add_argument("--spend-per-month", type=money, metavar="USD", help="US dollars a month (UTC)")
    add_by(parser)
    add_json(parser)


def _configure_change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", help="the key's id")
    parser.add_argument("--reason", default="", help="why, in your words")
    add_by(parser)
    add_json(parser)


def _configure_provider(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="provider_verb", required=True, metavar="VERB")
    put = verbs.add_parser("put", help="store a provider key, or its next version")
    put.add_argument("name", metavar="NAME", help="upstreams name it as vault:NAME")
    put.add_argument("--owner", default="service", help="whose key it is (default: service)")
    put.add_argument(
        "--file", default="-", metavar="FILE", help="where the value is read from (default: - for stdin)"
    )
    add_by(put)
    add_json(put)
    add_json(verbs.add_parser("list", help="list provider keys, without their values"))
    removing = verbs.add_parser("remove", help="remove a provider key with all its versions")
    removing.add_argument("name", metavar="NAME")
    add_by(removing)
    add_json(removing)


def run(arguments: argparse.Namespace, work: KeyWork) -> int:
    """Carry the command out."""
    reply = work.carry_out(_command(arguments, work))
    if arguments.json:
        show(json.dumps(_json(reply), indent=2, ensure_ascii=False) + "\n")
    elif isinstance(reply, RestraintsTold):
        show(restraints.told_text(reply))
    elif isinstance(reply, KeyIssuedTold):
        show(key_views.issued_text(reply) + work.exports(reply.token))
    elif isinstance(reply, KeysTold):
        single = arguments.verb != "list"
        show(key_views.key_text(reply) if single else key_views.keys_text(reply.keys))
    elif isinstance(reply, ProviderKeysTold):
        show(key_views.provider_keys_text(reply))
    return 0


def _json(reply: Reply) -> key_views.Json:
    return restraints.told_json(reply) if isinstance(reply, RestraintsTold) else key_views.reply_json(reply)


def _command(arguments: argparse.Namespace, work: KeyWork) -> Command:
    if arguments.verb in _CHANGES:
        change = _CHANGES[arguments.verb][0]
        return ChangeKey(
            key=KeyId(arguments.key), change=change, by=named_by(arguments), reason=arguments.reason
        )
    makers: dict[str, Callable[[], Command]] = {
        "issue": lambda: IssueKey(_request(arguments, work), named_by(arguments)),
        "list": ListKeys,
        "show": lambda: ShowKey(KeyId(arguments.key)),
        "rotate": lambda: RotateKey(
            key=KeyId(arguments.key),
            by=named_by(arguments),
            reason=arguments.reason,
            overlap=arguments.overlap,
        ),
        "provider": lambda: _provider_command(arguments),
        **restraints.makers(arguments, work),
    }
    return makers[arguments.verb]()


def _provider_command(arguments: argparse.Namespace) -> Command:
    if arguments.provider_verb == "list":
        return ListProviderKeys()
    name = ProviderKeyName(arguments.name)
    if arguments.provider_verb == "remove":
        return RemoveProviderKey(name=name, by=named_by(arguments))
    value = _read_value(arguments.file)
    return StoreProviderKey(name=name, owner=OwnerId(arguments.owner), value=value, by=named_by(arguments))


def _request(arguments: argparse.Namespace, work: KeyWork) -> KeyRequest:
    return KeyRequest(
        owner=OwnerId(arguments.owner),
        app=AppName(arguments.app),
        contact=arguments.contact,
        env=arguments.env,
        lifetime=work.lifetime if arguments.lifetime is _UNSET else arguments.lifetime,
        canary=arguments.canary,
        unknown_client=arguments.unknown_client,
        grant=Grant(
            upstreams=tuple(UpstreamName(name) for name in arguments.upstream),
            models=tuple(arguments.model),
            operations=tuple(arguments.operation),
            modalities=tuple(arguments.modality),
            networks=tuple(arguments.network),
            hours=tuple(arguments.hours),
            requests_per_minute=arguments.requests_per_minute,
            tokens_per_minute=arguments.tokens_per_minute,
            parallel=arguments.parallel,
            spend_per_day=arguments.spend_per_day,
            spend_per_month=arguments.spend_per_month,
        ),
    )


def _read_value(place: str) -> bytes:
    """Read a secret from a file or standard input; an argument would stand in every list of processes."""
    if place == "-":
        if sys.stdin.isatty():
            sys.stderr.write("the provider key, then end of input (^D):\n")
        data = sys.stdin.buffer.read(_LARGEST_VALUE + 1)
    else:
        try:
            with Path(place).open("rb") as file:
                data = file.read(_LARGEST_VALUE + 1)
        except OSError as error:
            raise UsageError(f"{place} cannot be read: {error.strerror}") from error
    value = data.strip(b" \t\r\n")
    if len(data) > _LARGEST_VALUE or not value or b"\n" in value:
        raise UsageError(
            "the provider key is empty, or more than one line",
            hint="chatelaine keys provider put NAME < file-with-the-key",
        )
    return value
