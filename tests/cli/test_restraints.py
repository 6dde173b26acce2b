"""The verbs that hold clients of a key back, on a storage directory where nothing runs."""

import io
import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from chatelaine.app.main import COMMANDS
from chatelaine.surfaces.cli.main import run

Do = Callable[..., str]


@pytest.fixture
def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Do:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)

    def done(*arguments: str, status: int = 0) -> str:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            found = run(COMMANDS, ("keys", *arguments), version="0")
        assert found == status, err.getvalue()
        return err.getvalue() if status else out.getvalue()

    return done


def read(do: Do, *arguments: str) -> Any:
    return json.loads(do(*arguments, "--json"))


def a_key(do: Do, *arguments: str) -> str:
    return str(read(do, "issue", "--owner", "acme", "--app", "bot", "--contact", "c", *arguments)["id"])


def test_a_restraint_lives_its_life_without_a_hub(do: Do) -> None:
    kid = a_key(do)
    told = read(
        do, "restrain", kid, "--lane", "tarpit", "--for", "2h", "--foreign", "--ja4", "t13d", "--delay", "3s"
    )
    [put] = told["restraints"]
    assert (put["key"], put["lane"], put["ja4s"], put["foreign"]) == (kid, "tarpit", ["t13d"], True)
    assert put["delay_ms"] == 3000
    assert told["reach"]["workers"] == 0
    assert read(do, "restraints")["restraints"] == [put]
    shown = do("restraints")
    assert f"{put['id']}  {kid}  tarpit" in shown
    assert "unknown clients, t13d" in shown
    assert read(do, "lift", put["id"], "--reason", "a mistake")["restraints"] == [put]
    assert do("restraints") == "no restraint stands\n"


def test_everyone_is_named_only_on_purpose(do: Do) -> None:
    kid = a_key(do)
    assert "say whom it holds for" in do("restrain", kid, "--lane", "refuse", "--for", "1h", status=2)
    both = ("restrain", kid, "--lane", "refuse", "--for", "1h", "--everyone", "--foreign")
    assert "stands beside clients that are named" in do(*both, status=2)
    assert "everyone" in do("restrain", kid, "--lane", "refuse", "--for", "1h", "--everyone")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--lane", "refuse", "--for", "1h", "--context", "xyz"), "not a client context"),
        (("--lane", "refuse", "--for", "1h", "--prefix", "203.0.113.9"), "not a network prefix"),
        (("--lane", "refuse", "--for", "9000d", "--foreign"), "ends by itself"),
        (("--lane", "refuse", "--for", "1h", "--foreign", "--delay", "1s"), "only the tarpit delays"),
    ],
)
def test_a_restraint_that_makes_no_sense_is_refused_with_the_fix(
    do: Do, given: tuple[str, ...], told: str
) -> None:
    assert told in do("restrain", a_key(do), *given, status=2)
    assert do("restraints") == "no restraint stands\n"


def test_a_key_or_restraint_that_is_not_there_is_told(do: Do) -> None:
    missing = ("restrain", "ZZZZZZZZZ", "--lane", "refuse", "--for", "1h", "--foreign")
    assert "no key has the id" in do(*missing, status=3)
    assert "keys restraints shows them" in do("lift", "act_000000000000", status=3)


def test_a_canary_and_a_wish_about_unknown_clients_are_shown(do: Do) -> None:
    kid = a_key(do, "--canary", "--unknown-client", "refuse")
    [shown] = read(do, "show", kid)["keys"]
    assert (shown["canary"], shown["unknown_client"]) == (True, "refuse")
    assert "issued, canary" in do("list")
    plain = a_key(do)
    assert read(do, "show", plain)["keys"][0]["unknown_client"] is None
