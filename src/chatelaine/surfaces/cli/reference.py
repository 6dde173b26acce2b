"""The page of the docs that lists every command, made from the parsers themselves."""

import argparse
from collections.abc import Iterator, Mapping

from chatelaine.surfaces.cli.main import CommandCard, command_parser, load_surface

_HEAD = """# The command line

`chatelaine COMMAND …`; `chatelaine --help` lists the commands. This page is generated from the parsers.

* `--json` stands on every command that reads; the names in its output stay. Instants are ISO 8601 in UTC,
  money is in US dollars.
* Exit status: 0 fine or nothing found · 1 something was found · 2 the command was called wrongly ·
  3 settings or run time · 130 interrupted.
* Errors go to standard error as one message and what mends it; `CHATELAINE_DEBUG=1` shows a traceback
  where something happened that should not have.
* `NO_COLOR` is honoured. Nothing asks questions. `-` stands for standard input.
* Key commands ask the hub while `chatelaine up` is running, and work on the store while it is not.
"""


def reference(cards: Mapping[str, CommandCard]) -> str:
    """Return the page."""
    parts = [_HEAD]
    for name, card in cards.items():
        parser = command_parser(name, card, load_surface(card))
        parts.append(f"\n## {parser.prog}\n\n{card.summary[0].upper()}{card.summary[1:]}.\n")
        parts.extend(_section(parser))
    return "".join(parts)


def _section(parser: argparse.ArgumentParser) -> Iterator[str]:
    rows = [row for action in parser._actions if (row := _row(action))]  # noqa: SLF001 - argparse offers no other way
    if rows:
        yield f"\n| argument | what it does |\n|---|---|\n{''.join(rows)}"
    for action in parser._actions:  # noqa: SLF001 - as above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001 - as above
            for verb, inner in action.choices.items():
                yield f"\n### {inner.prog}\n\n{helps[verb][0].upper()}{helps[verb][1:]}.\n"
                yield from _section(inner)


def _row(action: argparse.Action) -> str:
    if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):  # noqa: SLF001 - as above
        return ""
    names = ", ".join(action.option_strings)
    value = action.metavar or (", ".join(map(str, action.choices)) if action.choices else action.dest.upper())
    shown = names if action.nargs == 0 else f"{names} {value}".strip()
    needed = " (needed)" if action.required and action.option_strings else ""
    return f"| `{shown}` | {action.help or ''}{needed} |\n"
