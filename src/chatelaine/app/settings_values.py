"""One setting's value read from its text: each kind in plain words, with its range and its fix."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chatelaine.core.redact import redact
from chatelaine.model.settings import Secret

NUMBER_MAX: Final = 2**53
"""Above this, programs that hold numbers as doubles would read another number."""

DURATION_MAX: Final = timedelta(days=36_500)

_PORT_MAX: Final = 65_535
_SHOWN_MAX: Final = 60
_HOST_MAX: Final = 253
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]*")
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+", re.ASCII)
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_SIZE: Final = re.compile(r"(0|[1-9][0-9]*) ?(B|KiB|MiB|GiB)?")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_SOURCE: Final = re.compile(r"(?:env:[A-Za-z_][A-Za-z0-9_]*|file:.+|command:.*\S.*|vault:.+)", re.DOTALL)
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES: Final = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_TRUE: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Unfit(ValueError):
    """A text is not a value of the kind that is asked for."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def shown(text: str) -> str:
    """Return a value as a message may show it: short, on one line, without credentials."""
    cleaned = redact(text)
    return repr(cleaned if len(cleaned) <= _SHOWN_MAX else f"{cleaned[:_SHOWN_MAX]}…")


def read_value(kind: Any, marks: tuple[object, ...], text: str, *, least: int) -> Any:
    """Return the value that a text has as one kind of setting.

    Args:
        kind: the plain type: bool, int, str, timedelta, Path, Secret, an enum, a NewType of str.
        marks: what ``Annotated`` adds to it.
        text: the value as it stands in a file, a variable or a flag.
        least: the least a number or a duration may be.

    Raises:
        Unfit: it is not such a value.
    """
    if kind is not Secret and redact(text) != text:
        raise Unfit("this looks like a credential", "credentials do not stand in settings: name where one is")
    for mark in marks:
        if mark in _MARKED:
            return _MARKED[mark](text)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _read_choice(kind, text)
    if hasattr(kind, "__supertype__"):
        return _read_name(text)
    if kind is int:
        return _read_number(text, least)
    if kind is timedelta:
        return _read_duration(text, least)
    return _PLAIN[kind](text)


def _read_bool(text: str) -> bool:
    found = _TRUE.get(text.lower())
    if found is None:
        raise Unfit(f"{shown(text)} is neither true nor false")
    return found


def _read_number(text: str, least: int) -> int:
    if not _WHOLE.fullmatch(text):
        raise Unfit(f"{shown(text)} is not a whole number", "write digits alone, such as 4096")
    # Comparing lengths first: Python refuses to read numbers of thousands of digits.
    number = int(text) if len(text) <= len(str(NUMBER_MAX)) else NUMBER_MAX + 1
    if text.startswith("-") or number < least:
        raise Unfit(f"{shown(text)} is too small", f"it is at least {least}")
    if number > NUMBER_MAX:
        raise Unfit(f"{shown(text)} is too large", f"it is at most {NUMBER_MAX}")
    return number


def _read_port(text: str) -> int:
    if not _WHOLE.fullmatch(text) or len(text) > len(str(_PORT_MAX)) or not 0 < int(text) <= _PORT_MAX:
        raise Unfit(f"{shown(text)} is not a port", f"ports are 1 to {_PORT_MAX}")
    return int(text)


def _read_size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None or len(text) > len("9007199254740992 GiB"):
        raise Unfit(f"{shown(text)} is not a size", "write bytes, or such as 64KiB, 32MiB, 1GiB")
    size = int(found[1]) * _BYTES[found[2]]
    if not 0 < size <= NUMBER_MAX:
        raise Unfit(f"{shown(text)} is out of range", f"a size is 1 to {NUMBER_MAX} bytes")
    return size


def _read_duration(text: str, least: int) -> timedelta:
    if not _DURATION.fullmatch(text) or len(text) > _SHOWN_MAX:
        raise Unfit(f"{shown(text)} is not a duration", "write such as 500ms, 15s, 10m, 24h, 90d or 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if seconds > DURATION_MAX.total_seconds():
        raise Unfit(f"{shown(text)} is too long", f"it is at most {DURATION_MAX.days}d")
    found = timedelta(seconds=seconds)
    if found < timedelta(microseconds=least):
        raise Unfit(f"{shown(text)} is no time at all", "it is longer than nothing")
    return found


def _read_delay(text: str) -> timedelta:
    return timedelta() if text == "0" else _read_duration(text, 0)


def _read_secret(text: str) -> Secret:
    if text.startswith("${"):
        raise Unfit("a secret is named, not put in", "write env:NAME in place of ${NAME}")
    if not _SOURCE.fullmatch(text):
        # What was written may be the secret itself: nothing of it is shown.
        raise Unfit(
            "a secret does not stand in settings",
            "say where it is read from: env:NAME, file:PATH, command:… or vault:NAME",
        )
    return Secret(text)


def _read_path(text: str) -> Path:
    if not text or "\0" in text:
        raise Unfit(f"{shown(text)} is not a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise Unfit(f"{shown(text)} names the home of a user who has none") from None


def _read_text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise Unfit(f"{shown(text)} is empty, or has characters that cannot be seen")
    return text


def _read_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Unfit(
            f"{shown(text)} is not a name", "use 1 to 64 letters, digits, dots, dashes and underscores"
        )
    return text


def _read_host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        labels = text.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(text) > _HOST_MAX or labels[-1].isdigit():
        raise Unfit(
            f"{shown(text)} is not a host",
            "write a name such as gate.example.org or an address, without scheme and port",
        )
    return text


def _read_block(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise Unfit(f"{shown(text)} is not a CIDR block", "write such as 10.0.0.0/8 or fd00::/8") from None
    return text


def _read_url(text: str) -> str:
    write = "write https://host[:port][/prefix]"
    if not text.isprintable() or any(character in text for character in " \\"):
        raise Unfit(f"{shown(text)} is not a URL", write)
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise Unfit(f"{shown(text)} is not a URL", write) from None
    if parts.scheme not in {"http", "https"} or port == 0:
        raise Unfit(f"{shown(text)} is not an http:// or https:// URL", write)
    if "@" in parts.netloc:
        raise Unfit("a URL has no user and password here", "put the key into credential: env:NAME")
    if "?" in text or "#" in text:
        raise Unfit("a URL has no query and no fragment here", write)
    try:
        _read_host(host)
    except Unfit:
        raise Unfit(f"{shown(text)} has no host that can be looked up", write) from None
    return text


def _read_choice(kind: type[Enum], text: str) -> Enum:
    for one in kind:
        if one.value == text:
            return one
    raise Unfit(
        f"{shown(text)} is not one of the choices", f"one of: {', '.join(str(one.value) for one in kind)}"
    )


_PLAIN: Final[Mapping[object, Callable[[str], Any]]] = {
    bool: _read_bool,
    str: _read_text,
    Path: _read_path,
    Secret: _read_secret,
}
_MARKED: Final[Mapping[object, Callable[[str], Any]]] = {
    "port": _read_port,
    "size": _read_size,
    "delay": _read_delay,
    "host": _read_host,
    "block": _read_block,
    "url": _read_url,
}
