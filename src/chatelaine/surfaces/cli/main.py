"""The command line's frame: which commands there are, how they fail, and what they exit with.

Modules of commands are loaded by name when their command is called, so that ``--help`` is fast.
"""

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn, Protocol, TextIO

from chatelaine.model.error import ChatelaineError, UsageError
from chatelaine.surfaces.cli.options import Chosen, add_settings_options, chosen

FINE = 0
FOUND = 1
USAGE = 2
FAILED = 3
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class CommandCard:
    """One command: where its words are read, and where its work is done."""

    summary: str
    surface: str
    """A module with ``configure(parser)`` and ``run(arguments, work)``."""
    work: str
    """A module with ``begin(chosen)``, which returns what ``run`` works with; "" for none."""


class Surface(Protocol):
    """What a module of commands offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""
        ...

    def run(self, arguments: argparse.Namespace, work: object) -> int:
        """Do it and return the exit status."""
        ...


class Work(Protocol):
    """What a module of work offers."""

    def begin(self, chosen: Chosen) -> object:
        """Return what the command's surface works with."""
        ...


class Parser(argparse.ArgumentParser):
    """Takes no half-written options, and says where help is."""

    def __init__(self, prog: str, *, description: str | None = None, add_help: bool = True) -> None:
        super().__init__(prog=prog, description=description, add_help=add_help, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        sys.stderr.write(f"{self.prog}: {message}\n  {self.prog} --help shows what there is\n")
        raise SystemExit(USAGE)


def run(cards: Mapping[str, CommandCard], arguments: Sequence[str], *, version: str) -> int:
    """Run a command line and return its exit status."""
    try:
        status = _run(cards, list(arguments), version)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has enough; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except KeyboardInterrupt:
        return INTERRUPTED
    except UsageError as error:
        return _tell(error, USAGE)
    except ChatelaineError as error:
        return _tell(error, FAILED)
    except Exception as error:
        if os.environ.get("CHATELAINE_DEBUG"):
            raise
        fault = ChatelaineError(
            f"this should not have happened: {type(error).__name__}: {error}",
            hint="CHATELAINE_DEBUG=1 shows where; please report it",
        )
        return _tell(fault, FAILED)
    return status


def _run(cards: Mapping[str, CommandCard], arguments: list[str], version: str) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        sys.stdout.write(overview(cards))
        return FINE if arguments else USAGE
    if arguments[0] in {"-V", "--version"}:
        sys.stdout.write(f"chatelaine {version}\n")
        return FINE
    card = cards.get(arguments[0])
    if card is None:
        raise _unknown(arguments[0], cards)
    surface = load_surface(card)
    parser = command_parser(arguments[0], card, surface)
    if not card.work:
        return surface.run(parser.parse_args(arguments[1:]), None)
    # The settings' options may stand anywhere, also behind a verb that has a parser of its own.
    named, rest = settings_parser().parse_known_args(arguments[1:])
    parsed = parser.parse_args(rest)
    return surface.run(parsed, load_work(card).begin(chosen(named)))


def load_surface(card: CommandCard) -> Surface:
    """Load the module that reads a command's words."""
    found: Surface = import_module(card.surface)
    return found


def load_work(card: CommandCard) -> Work:
    """Load the module that does a command's work."""
    found: Work = import_module(card.work)
    return found


def command_parser(name: str, card: CommandCard, surface: Surface) -> Parser:
    """Return the parser of one command."""
    parser = Parser(f"chatelaine {name}", description=card.summary)
    surface.configure(parser)
    if card.work:
        add_settings_options(parser)
    return parser


def settings_parser() -> Parser:
    """Return the parser of the options that name the settings, and of nothing else."""
    parser = Parser("chatelaine", add_help=False)
    add_settings_options(parser)
    return parser


def overview(cards: Mapping[str, CommandCard]) -> str:
    """Return what ``chatelaine --help`` shows."""
    rows = "".join(f"  {name:<9} {card.summary}\n" for name, card in cards.items())
    return (
        "usage: chatelaine [--version] COMMAND …\n\n"
        "Guards generative-AI services against people who steal their API keys.\n\n"
        f"commands:\n{rows}\n"
        "chatelaine COMMAND --help tells more.\n"
        "exit status: 0 fine, 1 something was found, 2 usage, 3 settings or run time, 130 interrupted\n"
    )


def _unknown(name: str, cards: Mapping[str, CommandCard]) -> UsageError:
    close = difflib.get_close_matches(name, cards, 1)
    hint = f"did you mean {close[0]}?" if close else "chatelaine --help shows what there is"
    return UsageError(f"{name!r} is not a command", hint=hint)


def _tell(error: ChatelaineError, status: int, stream: TextIO | None = None) -> int:
    target = stream if stream is not None else sys.stderr
    target.write(f"chatelaine: {error}\n")
    return status
