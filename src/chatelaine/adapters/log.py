"""Logs for operators: one line a record, and no credential in any of them.

JSON where a program reads them, something readable where standard error is a terminal. Whatever a
caller put into a record is redacted, bounded, and cannot begin a line of its own.
"""

import json
import logging
import math
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TextIO

from chatelaine.core.redact import MARK, redact, sensitive_name

if TYPE_CHECKING:
    Stream = logging.StreamHandler[TextIO]
else:
    Stream = logging.StreamHandler

LINE_MAX: Final = 16 * 1024
"""Characters of a line at most."""

_TEXT_READ: Final = 64 * 1024
"""Characters of one value that are looked at. It is cut at its end alone: a token keeps its head."""
_TEXT_SHOWN: Final = 8 * 1024
_DEPTH_MAX: Final = 6
_ITEMS_MAX: Final = 64
_INTEGER_BITS: Final = 64
_OWN: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
}
_UNSHOWABLE: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What showing a value may raise: a value that cannot show itself must not take the line with it."""
_ESCAPED: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    10: "\\n",
    13: "\\r",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
"""Characters that end a line or steer a terminal, and what is shown in their place."""
_COLOURS: Final = {"debug": "2", "warning": "33", "error": "31", "critical": "1;31"}

_PUBLIC: Final = re.compile("chln_[0-9A-Za-z_]*…?")
_OURS: Final = "chatelaine"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line says, clean throughout."""
    line: dict[str, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": _show(_message(record)),
    }
    if record.name not in {"root", _OURS}:
        line["logger"] = _show(record.name)
    for name, value in record.__dict__.items():
        if name not in _OWN:
            shown = _show(str(name))
            line[f"{shown}_" if shown in line else shown] = _named(name, value, 0)
    fault = _fault(record)
    if fault:
        line["fault"] = fault
    return line


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except _UNSHOWABLE:
        return f"{_plain(record.msg)} {_plain(record.args)}"


def _fault(record: logging.LogRecord) -> str:
    parts: list[str] = []
    if record.exc_info and record.exc_info[0] is not None:
        parts += traceback.format_exception(*record.exc_info)
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return _show("".join(parts).rstrip("\n"))


def _named(name: object, value: object, depth: int) -> object:
    """Return a value under its name: what the name calls a credential is not shown at all."""
    if isinstance(name, str | bytes) and sensitive_name(_plain(name)) and not isinstance(value, bool | None):
        # Of our own tokens the public part may be seen.
        shown = _show(_plain(value))
        return shown if _PUBLIC.fullmatch(shown) else MARK
    return _clean(value, depth)


def _clean(value: object, depth: int) -> object:
    """Return a value as JSON can hold it, redacted and bounded."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _INTEGER_BITS else f"<integer of {value.bit_length()} bits>"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < _DEPTH_MAX:
        if isinstance(value, Mapping):
            return _clean_mapping(value, depth + 1)
        if isinstance(value, list | tuple | set | frozenset):
            return _clean_items(value, depth + 1)
    return _show(_plain(value))


def _clean_mapping(value: Mapping[Any, Any], depth: int) -> object:
    try:
        pairs = list(islice(value.items(), _ITEMS_MAX))
    except _UNSHOWABLE:
        return f"<{type(value).__name__}>"
    shown = {_show(_plain(name)): _named(name, inner, depth) for name, inner in pairs}
    return shown | {"…": len(value) - _ITEMS_MAX} if len(value) > _ITEMS_MAX else shown


def _clean_items(value: Iterable[Any], depth: int) -> object:
    items = list(islice(value, _ITEMS_MAX + 1))
    shown = _clean_pair(items, depth) or [_clean(item, depth) for item in items[:_ITEMS_MAX]]
    return [*shown, "…"] if len(items) > _ITEMS_MAX else shown


def _clean_pair(items: list[Any], depth: int) -> list[object]:
    """Return a header as it stands in a list of headers: its name tells what its value is."""
    if len(items) != len(("name", "value")) or not isinstance(items[0], str | bytes):
        return []
    return [_clean(items[0], depth), _named(items[0], items[1], depth)]


def _plain(value: object) -> str:
    """Return any value as text."""
    try:
        if isinstance(value, bytes | bytearray):
            return bytes(value[:_TEXT_READ]).decode("utf-8", "backslashreplace")
        return value if isinstance(value, str) else str(value)
    except _UNSHOWABLE:
        return f"<{type(value).__name__}>"


def _show(text: str) -> str:
    cleaned = redact(str(text)[:_TEXT_READ])
    return cleaned if len(cleaned) <= _TEXT_SHOWN else f"{cleaned[:_TEXT_SHOWN]}…"


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: ``ts``, ``level``, ``event``, its fields and its fault."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, in ASCII."""
        fields = _fields(record)
        line = json.dumps(fields)
        if len(line) <= LINE_MAX:
            return line
        for most in (4096, 1024, 128):
            line = json.dumps(_shortened(fields, most))
            if len(line) <= LINE_MAX:
                break
        return line


def _shortened(fields: Mapping[str, Any], most: int) -> dict[str, Any]:
    kept = {
        name: str(fields[name])[:most]
        for name in ("ts", "level", "event", "logger", "fault")
        if name in fields
    }
    return {**kept, "shortened": True}


class PlainFormatter(logging.Formatter):
    """Writes a record for somebody at a terminal."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """Return one readable line, and below it, set in, the fault."""
        fields = _fields(record)
        moment, level, event = fields.pop("ts")[11:23], fields.pop("level"), fields.pop("event")
        fault = str(fields.pop("fault", ""))
        shown = " ".join(f"{name}={_readable(value)}" for name, value in fields.items())
        line = f"{event} {shown}".rstrip()[:LINE_MAX].translate(_ESCAPED)
        below = (part.translate(_ESCAPED) for part in fault.splitlines())
        return "\n    ".join((f"{moment} {self._coloured_level(level)} {line}", *below))

    def _coloured_level(self, level: str) -> str:
        colour = _COLOURS.get(level) if self._coloured else None
        return f"\x1b[{colour}m{level:8}\x1b[0m" if colour else f"{level:8}"


def _readable(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class LineHandler(Stream):
    """Writes lines to a stream; what cannot be formatted is told without showing any of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name logging calls
        """Write that a record was lost, and where it was made; a stream that is gone is let go."""
        kind = sys.exc_info()[0]
        if kind is not None and issubclass(kind, OSError):
            return
        name = kind.__name__ if kind is not None else "unknown"
        lost = logging.LogRecord(_OURS, logging.ERROR, "", 0, "a log record could not be shown", (), None)
        lost.__dict__ |= {"reason": name, "at": f"{record.filename}:{record.lineno}"}
        try:
            self.stream.write(f"{self.format(lost)}{self.terminator}")
        except (OSError, ValueError):
            # Standard error is closed: there is nobody to tell.
            return


def set_up(
    stream: TextIO | None = None,
    *,
    level: int = logging.INFO,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Send every log of this process, warnings and crashes too, to standard error.

    ``NO_COLOR`` and ``TERM=dumb`` keep a terminal free of colour, ``CHATELAINE_LOG_JSON`` has JSON
    there too.
    """
    target = stream if stream is not None else sys.stderr
    handler = LineHandler(target)
    if target.isatty() and not environment.get("CHATELAINE_LOG_JSON"):
        plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        handler.setFormatter(PlainFormatter(coloured=not plain))
    else:
        handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = log_crash
    threading.excepthook = _log_thread_crash
    sys.unraisablehook = _log_unraisable


def log_crash(
    kind: type[BaseException],
    fault: BaseException,
    trace: TracebackType | None,
    *,
    where: str = "main thread",
) -> None:
    """Log a fault that nobody handled: the interpreter would print it with whatever it holds."""
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(_OURS).critical("crashed", exc_info=(kind, fault, trace), extra={"where": where})


def _log_thread_crash(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not issubclass(told.exc_type, SystemExit):
        name = told.thread.name if told.thread is not None else "a thread"
        log_crash(told.exc_type, told.exc_value, told.exc_traceback, where=name)


def _log_unraisable(told: "sys.UnraisableHookArgs") -> None:
    if told.exc_value is not None:
        log_crash(told.exc_type, told.exc_value, told.exc_traceback, where="while an object was dropped")
