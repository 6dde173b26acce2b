"""Secrets: where they are read from, what is refused, and the ones made on first start."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.secret import as_kek, as_pepper, first_secret, read_secret
from chatelaine.model.error import SecretUnreadable
from chatelaine.model.settings import Secret

CANARY = "canary-5d41402abc4b2a76"


def private(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "value")
    assert read_secret(Secret("env:SOME_KEY")) == b"value"


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(SecretUnreadable, match="SOME_KEY"):
        read_secret(Secret("env:SOME_KEY"))


def test_a_secret_is_read_from_a_private_file_without_its_line_end(tmp_path: Path) -> None:
    path = private(tmp_path / "key", b"value\r\n")
    assert read_secret(Secret(f"file:{path}")) == b"value"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o610])
def test_a_file_that_is_open_to_others_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "the key", CANARY.encode(), mode)
    with pytest.raises(SecretUnreadable, match=f"{mode:04o}") as caught:
        read_secret(Secret(f"file:{path}"))
    assert caught.value.hint == f"chmod 600 {shlex.quote(str(path))}"
    assert CANARY not in str(caught.value)


def test_a_file_that_is_missing_empty_too_large_or_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir(mode=0o700)
    private(tmp_path / "empty", b"\n")
    private(tmp_path / "large", b"x" * 70_000)
    for name, why in (
        ("missing", "cannot be opened"),
        ("pipe", "not a file"),
        ("directory", "not a file"),
        ("empty", "is empty"),
        ("large", "larger than"),
    ):
        with pytest.raises(SecretUnreadable, match=why):
            read_secret(Secret(f"file:{tmp_path / name}"))


def command(code: str, *arguments: str) -> Secret:
    return Secret("command:" + shlex.join([sys.executable, "-c", code, *arguments]))


def test_a_secret_is_what_a_command_puts_out() -> None:
    assert read_secret(command("import sys; print(sys.argv[1])", "a 'b' $HOME; echo")) == b"a 'b' $HOME; echo"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (f"import sys; print('{CANARY}'); sys.exit('{CANARY}')", "ended with 1"),
        ("", "is empty"),
        ("print('x' * 70000)", "put out more"),
    ],
)
def test_a_command_that_fails_is_told_without_what_it_put_out(code: str, why: str) -> None:
    with pytest.raises(SecretUnreadable, match=why) as caught:
        read_secret(command(code, CANARY))
    assert CANARY not in str(caught.value)


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatelaine.adapters.secret._COMMAND_SECONDS", 0.2)
    with pytest.raises(SecretUnreadable, match="gave no secret") as caught:
        read_secret(command(f"import time; print('{CANARY}', flush=True); time.sleep(60)"))
    assert caught.value.__cause__ is None
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("line", ["no-such-program-here", "'unclosed", " "])
def test_a_command_that_cannot_be_run_is_told(line: str) -> None:
    with pytest.raises(SecretUnreadable):
        read_secret(Secret(f"command:{line}"))


@pytest.mark.parametrize("source", ["", CANARY, "env:", "file:", "https://vault", f"vault:{CANARY}", ":x"])
def test_a_source_of_no_known_kind_is_refused_and_not_repeated(source: str) -> None:
    with pytest.raises(SecretUnreadable) as caught:
        read_secret(Secret(source))
    assert CANARY not in str(caught.value)


def test_a_first_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    before = os.umask(0)
    try:
        value = first_secret(path, SystemEntropy())
    finally:
        os.umask(before)
    assert len(value) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert first_secret(path, SystemEntropy()) == value
    assert [file.name for file in tmp_path.iterdir()] == ["pepper"]


class LineEnds:
    """Draws a value that ends like a line first, and then one that does not."""

    def __init__(self) -> None:
        self._drawn = [b"a" * 31 + b"b", b"c" * 31 + b"\n", b"d" * 31 + b"\r"]

    def draw(self, size: int) -> bytes:
        assert size == 32
        return self._drawn.pop()


def test_a_first_secret_reads_the_same_as_a_file_source(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    assert first_secret(path, LineEnds()) == read_secret(Secret(f"file:{path}")) == b"a" * 31 + b"b"


STARTER = """
import sys
from pathlib import Path
from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.secret import first_secret
print(first_secret(Path(sys.argv[1]), SystemEntropy()).hex())
"""


def test_processes_that_start_at_once_agree_on_the_first_secret(tmp_path: Path) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(tmp_path / "pepper")], stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    values = {starter.communicate(timeout=60)[0] for starter in starters}
    assert len(values) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["pepper"]


def test_a_first_secret_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "pepper", b"x" * 31)
    with pytest.raises(SecretUnreadable, match="31 bytes") as caught:
        first_secret(path, SystemEntropy())
    assert "restore" in caught.value.hint


def test_a_first_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "pepper", b"x" * 32, 0o644)
    with pytest.raises(SecretUnreadable, match="0644"):
        first_secret(path, SystemEntropy())


def test_a_first_secret_in_no_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match="cannot be made"):
        first_secret(tmp_path / "nowhere" / "pepper", SystemEntropy())


@pytest.mark.parametrize(
    "text",
    [
        bytes(range(32)),
        bytes(range(32)).hex().encode(),
        bytes(range(32)).hex().upper().encode() + b"\n",
        b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ],
)
def test_a_kek_may_be_raw_hexadecimal_or_base64(text: bytes) -> None:
    assert as_kek(text) == bytes(range(32))


@pytest.mark.parametrize("text", [b"", b"short", b"x" * 33, b"g" * 64, b"AAEC", b"\xff" * 44])
def test_a_kek_of_another_size_is_refused(text: bytes) -> None:
    with pytest.raises(SecretUnreadable, match="32 bytes"):
        as_kek(text)


def test_a_pepper_has_at_least_32_bytes() -> None:
    assert as_pepper(b"p" * 40) == b"p" * 40
    with pytest.raises(SecretUnreadable, match="31 bytes"):
        as_pepper(b"p" * 31)
