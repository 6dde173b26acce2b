"""Logs: one line a record whatever is in it, and no credential on any way into one."""

import base64
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.adapters.log import LINE_MAX, JsonFormatter, LineHandler, PlainFormatter, log_crash, set_up

SECRET = "Zq7" + "Xw4Yv9Tu2Rs" * 4 + "Pq"
CANARY = f"chln_live_Ab3dE6gH9_{SECRET}"
RAW = CANARY.encode()

FORMS: dict[str, str | bytes] = {
    "plain": CANARY,
    "bytes": RAW,
    "UTF-16": CANARY.encode("utf-16-le"),
    "UTF-16 text": CANARY.encode("utf-16-be").decode("latin-1"),
    "hexadecimal": RAW.hex(),
    "base64": base64.b64encode(RAW).decode(),
    "base64, one byte off": base64.b64encode(b"-" + RAW).decode(),
    "base64, two bytes off": base64.b64encode(b"--" + RAW).decode(),
    "percent-encoded": "".join(f"%{byte:02X}" for byte in RAW),
    "header": f"Authorization: Bearer {CANARY}",
    "URL": f"https://example.org/v1?key={CANARY}&x",
    "malformed JSON": '{"key": "' + CANARY,
}


def hits(text: str) -> list[str]:
    """Return the parts of the canary's secret that can be read from a text in any encoding."""
    lowered = text.lower()
    found = []
    for start in range(0, len(SECRET) - 9, 3):
        part = SECRET[start : start + 9]
        raw = part.encode()
        spelled = [
            part,
            "".join(f"%{byte:02x}" for byte in raw),
            "\0".join(part),
            "\\u0000".join(part),
            "\\x00".join(part),
        ]
        spelled += [base64.b64encode(bytes(before) + raw)[4:-4].decode() for before in range(3)]
        found += [one for one in spelled if one in text or one.lower() in lowered]
        found += [one for one in (raw.hex(), part.encode("utf-16-le").hex()[:-2]) if one in lowered]
    return found


def logger(formatter: logging.Formatter, name: str = "test") -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = LineHandler(stream)
    handler.setFormatter(formatter)
    made = logging.Logger(name, logging.DEBUG)  # noqa: LOG001 - a logger that only this test knows
    made.addHandler(handler)
    return made, stream


def said(write: Callable[[logging.Logger], None], *, name: str = "test") -> dict[str, Any]:
    log, stream = logger(JsonFormatter(), name)
    write(log)
    text = stream.getvalue()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert text.isascii()
    assert len(text) <= LINE_MAX + 1
    line: dict[str, Any] = json.loads(text)
    return line


class _Shown:
    """A value that shows a credential when it is printed."""

    def __init__(self, form: object) -> None:
        self.form = form

    def __repr__(self) -> str:
        return f"<shown {self.form!r}>"


def _refuse(*arguments: object) -> None:
    raise ValueError(*arguments)


def _raise(form: object) -> None:
    try:
        _refuse(form, {"nested": [form]})
    except ValueError as error:
        raise RuntimeError(f"wrapped {form!r}") from error


def _write_fault(log: logging.Logger, form: object) -> None:
    try:
        _raise(form)
    except RuntimeError:
        log.exception("failed with %s", form)


WAYS: dict[str, Callable[[logging.Logger, Any], None]] = {
    "message": lambda log, form: log.info(form),
    "message in a sentence": lambda log, form: log.info(f"before {form} after"),  # noqa: G004 - the way itself
    "argument": lambda log, form: log.info("got %s", form),
    "argument by name": lambda log, form: log.info("got %(form)s", {"form": form}),
    "arguments that do not fit": lambda log, form: log.info("got %d " + "%s", form),  # noqa: G003 - the way itself
    "extra value": lambda log, form: log.info("x", extra={"form": form}),
    "extra key": lambda log, form: log.info("x", extra={str(form): 1}),
    "nested": lambda log, form: log.info("x", extra={"a": {"b": [{"c": (form, {form: form})}]}}),
    "too deep": lambda log, form: log.info("x", extra={"a": [[[[[[[[[[form]]]]]]]]]]}),
    "headers": lambda log, form: log.info(
        "x", extra={"headers": [(b"authorization", form), ("cookie", form)]}
    ),
    "object": lambda log, form: log.info("x %s", _Shown(form), extra={"object": _Shown(form)}),
    "fault": _write_fault,
    "stack": lambda log, form: log.info("x", stack_info=True, extra={"form": form}),
    "long": lambda log, form: log.info("%s %s %s", "y" * 7000, form, "z" * 90_000),
    "at the cut": lambda log, form: log.info("%s%s", "y " * 32_750, form),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("formatter", [JsonFormatter(), PlainFormatter(coloured=True)], ids=["json", "plain"])
def test_a_canary_reaches_no_line(
    formatter: logging.Formatter, way: Callable[[logging.Logger, Any], None], form: str | bytes
) -> None:
    log, stream = logger(formatter)
    way(log, form)
    assert stream.getvalue()
    assert hits(stream.getvalue()) == []


def test_a_canary_would_be_found() -> None:
    for form in FORMS.values():
        assert hits(str(form)), form


@pytest.mark.parametrize("form", [form for form in FORMS.values() if isinstance(form, str)])
def test_a_canary_in_a_loggers_name_reaches_no_line(form: str) -> None:
    assert hits(json.dumps(said(lambda log: log.info("x"), name=form))) == []


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([*FORMS.values(), _Shown(CANARY)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["token", CANARY]), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@given(st.text(max_size=30), VALUES, VALUES)
def test_any_record_is_one_line_without_a_canary(message: str, argument: object, extra: object) -> None:
    text = f"{message}{CANARY}%s"
    line = said(lambda log: log.info(text, argument, extra={"extra": extra}))
    assert hits(json.dumps(line)) == []


def test_a_line_says_when_how_grave_what_and_with_what() -> None:
    line = said(
        lambda log: log.warning("upstream.slow", extra={"upstream": "openai", "seconds": 2.5, "ok": None})
    )
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "upstream.slow",
        "logger": "test",
        "upstream": "openai",
        "seconds": 2.5,
        "ok": None,
    }


def test_the_kid_can_be_read_and_the_token_cannot() -> None:
    line = said(lambda log: log.info("used %s", CANARY, extra={"token": CANARY, "password": "hunter2"}))
    assert line["event"] == "used chln_live_Ab3dE6gH9_…"
    assert line["token"] == "chln_live_Ab3dE6gH9_…"
    assert line["password"] == "***"


@pytest.mark.parametrize(
    "ending", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0"]
)
def test_no_character_begins_a_line_of_its_own(ending: str) -> None:
    fake = f'x{ending}{{"level": "info", "event": "all is well"}}'
    line = said(lambda log: log.info(fake, extra={"a": fake, fake: 1}))
    assert line["event"] == fake
    log, stream = logger(PlainFormatter(coloured=False))
    log.info(fake, extra={"a": fake})
    assert len(stream.getvalue().splitlines()) == 1


def test_a_fault_stands_below_its_line_and_set_in() -> None:
    log, stream = logger(PlainFormatter(coloured=False))
    try:
        _refuse("one\n12:00:00.000 info      faked")
    except ValueError:
        log.exception("failed")
    first, *others = stream.getvalue().splitlines()
    assert "failed" in first
    assert others
    assert all(line.startswith("    ") for line in others)


class _Unshowable:
    def __repr__(self) -> str:
        raise LookupError("no")


class _Hopeless:
    def __repr__(self) -> str:
        raise ZeroDivisionError(CANARY)

    def __str__(self) -> str:
        raise NotADirectoryError(CANARY)


class _Impossible:
    def __repr__(self) -> str:
        raise AssertionError(CANARY)


def _endless() -> list[Any]:
    held: list[Any] = []
    held.append(held)
    return held


STRANGE = [
    *(object(), _Unshowable(), _Hopeless(), float("nan"), float("inf"), 2**5000, -(2**70), b"\xff", "\ud800"),
    *({1: 2}, {None: {b"a": 1}}, {"x": {1, 2}}, range(9), _endless(), lambda: None, Exception("x"), 1j),
]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
def test_a_value_that_is_not_json_is_shown_somehow(value: object) -> None:
    line = said(lambda log: log.info("x %s", value, extra={"value": value}))
    assert "value" in line
    assert hits(json.dumps(line)) == []


def test_a_record_that_cannot_be_shown_is_told_and_shows_nothing() -> None:
    line = said(lambda log: log.info("%s", _Impossible()))
    assert line["event"] == "a log record could not be shown"
    assert line["reason"] == "AssertionError"
    assert line["at"].startswith("test_log.py:")
    assert hits(json.dumps(line)) == []


def test_a_stream_that_is_gone_does_no_harm() -> None:
    class _Gone(io.StringIO):
        def write(self, text: str, /) -> int:
            raise BrokenPipeError(text)

    log = logging.Logger("test")  # noqa: LOG001 - a logger that only this test knows
    handler = LineHandler(_Gone())
    handler.setFormatter(JsonFormatter())
    log.addHandler(handler)
    log.error("x")
    closed = io.StringIO()
    closed.close()
    handler.setStream(closed)
    log.error("x")


def test_a_huge_record_is_one_line_of_bounded_size() -> None:
    line = said(
        lambda log: log.info("é" * 10**6, extra={f"field{place}": "é" * 5000 for place in range(100)})
    )
    assert line["shortened"] is True
    many = said(
        lambda log: log.info("x", extra={"many": dict.fromkeys(map(str, range(500))), "list": [1] * 500})
    )
    assert many["many"]["…"] == 436
    assert many["list"][-1] == "…"


@pytest.fixture
def put_back() -> Iterator[None]:
    """Put logging and the hooks of the interpreter back as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    root.handlers[:], root.level = handlers, level
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(capture=False)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("put_back")
def test_a_program_reads_json_and_a_terminal_something_readable() -> None:
    for stream, environment, begins in (
        (io.StringIO(), {}, "{"),
        (_Terminal(), {"CHATELAINE_LOG_JSON": "1"}, "{"),
        (_Terminal(), {"TERM": "xterm"}, None),
    ):
        set_up(stream, environment=environment)
        logging.getLogger("x").error("hello")
        assert "hello" in stream.getvalue()
        assert stream.getvalue().startswith(begins or tuple("012"))


@pytest.mark.usefixtures("put_back")
@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_refused(environment: dict[str, str]) -> None:
    coloured, plain = _Terminal(), _Terminal()
    set_up(coloured, environment={"TERM": "xterm"})
    logging.getLogger().error("x")
    set_up(plain, environment=environment)
    logging.getLogger().error("x")
    assert "\x1b[" in coloured.getvalue()
    assert "\x1b" not in plain.getvalue()


@pytest.mark.usefixtures("put_back")
def test_crashes_and_warnings_are_logged_and_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    set_up(stream, environment={})
    thread = threading.Thread(target=_raise, args=(CANARY,), name=f"thread {CANARY}")
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"deprecated {CANARY}", stacklevel=1)
    try:
        _raise(CANARY)
    except RuntimeError as fault:
        sys.excepthook(type(fault), fault, fault.__traceback__)
    log_crash(KeyboardInterrupt, KeyboardInterrupt(), None)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"][:7] for line in lines if line["level"] == "critical"] == ["crashed", "crashed"]
    assert len(lines) == 3
    assert hits(stream.getvalue()) == []
    assert capsys.readouterr().err == ""
