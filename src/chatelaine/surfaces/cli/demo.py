"""Behind the word ``demo``: the product in under a minute, on this machine alone."""

import argparse
import os
import sys
import textwrap
from typing import Protocol, TextIO

from chatelaine.model.error import UsageError

_WIDTH = 96
_LABEL = 12
_INDENT = " " * 4
_HANGING = _INDENT + " " * (_LABEL + 2)
_BOLD, _DIM, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


class Stage(Protocol):
    """Where the demo shows what happens."""

    def act(self, title: str) -> None:
        """Begin another act."""
        ...

    def note(self, text: str) -> None:
        """Say something to the onlooker."""
        ...

    def row(self, label: str, text: str) -> None:
        """Show what something or somebody is, has or says."""
        ...

    def code(self, text: str) -> None:
        """Show a line of a shell."""
        ...

    def ask(self, who: str, text: str) -> None:
        """Show a question; the pieces of its answer may follow."""
        ...

    def piece(self, text: str) -> None:
        """Show a piece of an answer as it arrives."""
        ...

    def cut(self) -> None:
        """Show that an answer broke off."""
        ...

    def end(self, text: str) -> None:
        """Close the play."""
        ...


class DemoWork(Protocol):
    """What the command asks of the application."""

    def theft(self, stage: Stage, *, keep: bool) -> int:
        """Play the story of a theft and return the exit status; ``keep``: let it run until it is stopped."""
        ...

    def keys(self, stage: Stage) -> int:
        """Show how a key is stopped while an answer streams, and return the exit status."""
        ...


class Page:
    """A stage on a stream of text, with colours where somebody looks at them."""

    def __init__(self, stream: TextIO, *, coloured: bool) -> None:
        self._stream = stream
        self._coloured = coloured
        self._acts = 0
        self._spaced = True
        """Whether an empty line stands above."""
        self._column = 0
        """Where an answer stands on its line; 0: no answer is being shown."""

    def act(self, title: str) -> None:
        """Begin another act, with its number."""
        self._acts += 1
        self._close()
        self._space()
        self._write(self._in(_BOLD, f"{self._acts}  {title}") + "\n")
        self._space()

    def note(self, text: str) -> None:
        """Say something to the onlooker, in a paragraph of its own."""
        self._close()
        lines = textwrap.fill(_shown(text), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
        self._space()
        self._write(f"{lines}\n")
        self._space()

    def row(self, label: str, text: str) -> None:
        """Show a label and what belongs to it."""
        self._close()
        lines = textwrap.fill(_shown(text), _WIDTH - len(_HANGING), break_on_hyphens=False).splitlines()
        head = f"{_INDENT}{self._in(_DIM, label.ljust(_LABEL))}  "
        self._write(head + f"\n{_HANGING}".join(lines) + "\n")

    def code(self, text: str) -> None:
        """Show a line of a shell, never folded."""
        self._close()
        self._write(f"{_HANGING}{self._in(_DIM, '$')} {text}\n" if " " in text else f"{_HANGING}{text}\n")

    def ask(self, who: str, text: str) -> None:
        """Show a question and make ready for the pieces of its answer."""
        self.row(who, text)

    def piece(self, text: str) -> None:
        """Show a piece of an answer at once, on a line with room for it."""
        text = _shown(text)
        if self._column == 0:
            self._write(f"{_INDENT}{self._in(_DIM, 'model'.ljust(_LABEL))}  ")
            self._column = len(_HANGING)
        elif self._column + len(text) > _WIDTH:
            self._write(f"\n{_HANGING}")
            self._column, text = len(_HANGING), text.lstrip()
        self._column += len(text)
        self._write(text)

    def cut(self) -> None:
        """Show where an answer broke off."""
        if self._column:
            self._write(self._in(_RED, " ✂"))
        self._close()

    def end(self, text: str) -> None:
        """Close the play."""
        self._close()
        self._space()
        self._write(f"{text}\n")

    def _space(self) -> None:
        if not self._spaced:
            self._write("\n")
            self._spaced = True

    def _close(self) -> None:
        if self._column:
            self._column = 0
            self._write("\n")

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._coloured else text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._spaced = False
        self._stream.flush()


def _shown(text: str) -> str:
    """Return a text without what would move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--keys", action="store_true", help="show instead how a key is stopped while an answer streams"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the gate running until ^C, to look into it"
    )
    parser.epilog = "It brings settings of its own, in a temporary folder that is removed when it is over."


def run(arguments: argparse.Namespace, work: DemoWork) -> int:
    """Play the demo."""
    if arguments.keep and arguments.keys:
        raise UsageError("--keep does not go with --keys", hint="chatelaine demo --keep")
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    page = Page(sys.stdout, coloured=coloured)
    page.note("Chatelaine, on this machine alone. Nothing leaves it, nothing stays behind.")
    return work.keys(page) if arguments.keys else work.theft(page, keep=arguments.keep)
