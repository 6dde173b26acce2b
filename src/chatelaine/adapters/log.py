"""Logs for operators: one JSON object a line, and no credential in any of them."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

from chatelaine.core.redact import redact

_MOST: Final = 16 * 1024
_OWN: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Writes a record as one line: ``ts``, ``level``, ``event``, its fields and its fault."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; whatever a caller put into it is text, redacted and bounded."""
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _clean(_message(record)),
        }
        for name, value in record.__dict__.items():
            if name not in _OWN:
                line[_clean(name)] = value if isinstance(value, bool | int | float) else _clean(_text(value))
        if record.exc_info:
            line["fault"] = _clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True)[:_MOST]


class PlainFormatter(JsonFormatter):
    """Writes a record for somebody at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one readable line."""
        fields = " ".join(
            f"{name}={_clean(_text(value))}" for name, value in record.__dict__.items() if name not in _OWN
        )
        line = f"{record.levelname.lower():7s} {_clean(_message(record))} {fields}".rstrip()
        if record.exc_info:
            line += "\n" + _clean(self.formatException(record.exc_info))
        return line[:_MOST]


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return f"{record.msg} {_text(record.args)}"


def _text(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except RecursionError:
        return f"<{type(value).__name__}>"


def _clean(text: str) -> str:
    return redact(text[:_MOST])


def set_up(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send every log of this process to standard error; for people where that is a terminal."""
    target = stream if stream is not None else sys.stderr
    handler = logging.StreamHandler(target)
    plain = target.isatty() and not os.environ.get("CHATELAINE_LOG_JSON")
    handler.setFormatter(PlainFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
