"""Commands that the README and the documentation show are true.

A fenced block ```` ```console ```` shows commands after ``$ `` and what they print after that. Each names a
target of make or a command of ours that exists. A block ```` ```console run ```` is run as it stands, in an
empty folder of its own: every command ends with 0 (or as ``# exits with N`` behind it says), and prints the
lines that are shown, in that order; ``…`` stands for anything.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?ms)^( *)```console(?P<tag>[^\n]*)\n(?P<body>.*?)^\1```")
EXIT = re.compile(r" +# exits with (\d+)$")
OTHERS = {
    "curl",
    "export",
    "git",
    "cd",
    "python3",
    "pip",
    "uvx",
    "cat",
    "kill",
    "openssl",
    "head",
    "jq",
    "echo",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One command, where it is shown and what it is shown to print."""

    where: str
    command: str
    printed: tuple[str, ...]
    status: int
    runs: bool


def shown(page: Path) -> Iterator[list[Shown]]:
    """Yield the commands of each block of a page."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start()) + 1
        where = f"{page.relative_to(ROOT)}:{first}"
        yield list(commands(block["body"], where, runs="run" in block["tag"].split()))


def commands(body: str, where: str, *, runs: bool) -> Iterator[Shown]:
    """Yield the commands of one block; a backslash at a line's end continues it."""
    lines = re.sub(r"\\\n *(?:> )?", "", body).splitlines()
    starts = [i for i, line in enumerate(lines) if line.lstrip().startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        command = lines[start].lstrip()[2:]
        status = EXIT.search(command)
        printed = tuple(line.strip() for line in lines[start + 1 : end] if line.strip())
        yield Shown(where, EXIT.sub("", command), printed, int(status[1]) if status else 0, runs)


BLOCKS = [block for page in PAGES if page.exists() for block in shown(page)]
COMMANDS = [command for block in BLOCKS for command in block]
RUN = [block for block in BLOCKS if block and block[0].runs]


def words(command: str) -> list[str]:
    """Return a command's words without variables set before it and what it is piped into."""
    parts = shlex.split(command.split(" | ", maxsplit=1)[0].split(" > ", maxsplit=1)[0], comments=True)
    while parts and re.match(r"[A-Z_]+=", parts[0]):
        parts.pop(0)
    return parts


def test_the_documentation_shows_its_commands_in_console_blocks() -> None:
    assert {"make demo", "make test"} <= {command.command.split("  #")[0].strip() for command in COMMANDS}


@pytest.mark.parametrize("given", COMMANDS, ids=lambda given: f"{given.where} {given.command[:40]}")
def test_every_command_that_is_shown_exists(given: Shown) -> None:
    program, *rest = words(given.command)
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in (word for word in rest if "=" not in word):
            assert re.search(rf"(?m)^{target}:", makefile), f"{given.where}: make knows no {target}"
    elif program == "chatelaine":
        named = [word for word in rest[:2] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        assert any(helps(named[:count]) for count in range(len(named), 0, -1)) or not named, (
            f"{given.where}: chatelaine knows no {' '.join(named)}"
        )
    else:
        assert program in OTHERS, f"{given.where}: {program} is neither ours nor listed in OTHERS"


def test_some_blocks_are_run_as_they_stand() -> None:
    pages = {block[0].where.partition(":")[0] for block in RUN}
    assert {"README.md", "docs/tutorial/first-five-minutes.md"} <= pages


def helps(names: list[str]) -> bool:
    """Tell whether the command line knows a command by these words."""
    done = subprocess.run(
        [BIN / "chatelaine", *names, "--help"], capture_output=True, check=False, timeout=30
    )
    return done.returncode == 0


@pytest.mark.parametrize("block", RUN, ids=lambda block: block[0].where)
def test_a_block_marked_run_does_what_it_shows(block: list[Shown], tmp_path: Path) -> None:
    around = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }
    for given in block:
        done = subprocess.run(
            ["bash", "-c", given.command],
            cwd=tmp_path, env=around, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == given.status, f"{given.where}: {given.command}\n{said}"
        for line in given.printed:
            found = re.search(".*".join(map(re.escape, line.split("…"))), said)
            assert found, f"{given.where}: {given.command} does not print {line!r}, but\n{said}"
            said = said[found.end() :]
