"""The settings, read: the only reader of the settings file and of the environment.

Flags outrank the environment, the environment the file, the file the defaults. Every fault is
found in one go and told with its file, line and column.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml

from chatelaine.app.settings_checks import check
from chatelaine.app.settings_tree import empty_tree, parse, place, put
from chatelaine.model.error import Fault, SettingsError
from chatelaine.model.settings import Secret, Settings

T = TypeVar("T")

PREFIX: Final = "CHATELAINE__"
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZE: Final = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, None: 1}
_INDIRECT: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")
_SOURCES: Final = ("env:", "file:", "command:", "vault:")
_SIZES: Final = frozenset({"head", "json_body", "upload", "segment_bytes"})


class _Reading:
    """One reading of the settings: gathers faults as it walks the tree."""

    def __init__(self, path: Path | None, environment: Mapping[str, str]) -> None:
        self.name = str(path) if path is not None else "settings"
        self.environment = environment
        self.faults: list[Fault] = []

    def fault(self, node: yaml.Node, message: str, hint: str = "") -> None:
        """Note a fault and where it stands."""
        mark = node.start_mark
        where = f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else self.name
        self.faults.append(Fault(where, message, hint))


def load(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, str], providers: frozenset[str]
) -> Settings:
    """Return the settings.

    Args:
        path: the settings file; None for the defaults alone.
        environment: where ``CHATELAINE__GATE__PORT`` and ``${NAME}`` are looked up.
        overrides: dotted names and values given as flags.
        providers: the ids that ``upstreams[].provider`` may have.

    Raises:
        SettingsError: with every fault that was found.
    """
    reading = _Reading(path, environment)
    tree = (parse(path) if path is not None else None) or empty_tree(reading.name)
    for name, value, origin in (*_from_environment(environment), *_from_flags(overrides)):
        put(tree, name.split("."), value, origin)
    settings = _build(Settings, tree, reading, "")
    if reading.faults or settings is None:
        raise SettingsError(reading.faults)
    faults = check(settings, providers, lambda name: place(tree, name, reading.name))
    if faults:
        raise SettingsError(faults)
    return settings


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX).lower().replace("__", "."), value, name


def _from_flags(overrides: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in overrides.items():
        yield name, value, f"--set {name}"


def _build(kind: "type[T]", node: yaml.Node, reading: _Reading, where: str) -> T | None:
    """Build one dataclass of the tree from its node; None where there are faults."""
    if not isinstance(node, yaml.MappingNode):
        reading.fault(node, f"{where or 'the settings'} must be names and values")
        return None
    hints = get_type_hints(kind)
    known = {entry.name: entry for entry in fields(cast("Any", kind))}
    values: dict[str, Any] = {}
    for key, value in node.value:
        name = str(key.value)
        if name in values:
            reading.fault(key, f"{where}{name} stands twice")
        elif name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
            reading.fault(key, f"{where}{name} is not a setting", hint)
        else:
            values[name] = _value(hints[name], value, reading, f"{where}{name}")
    lacking = [
        name
        for name, entry in known.items()
        if name not in values and entry.default is MISSING and entry.default_factory is MISSING
    ]
    for name in lacking:
        reading.fault(node, f"{where}{name} is missing")
    return None if reading.faults else kind(**values)


def _value(kind: Any, node: yaml.Node, reading: _Reading, where: str) -> Any:
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return None
        kind = next(one for one in get_args(kind) if one is not type(None))
        return _value(kind, node, reading, where)
    if origin is tuple:
        return _items(get_args(kind)[0], node, reading, where)
    if is_dataclass(kind) and kind is not Secret and isinstance(kind, type):
        return _build(kind, node, reading, f"{where}.")
    if not isinstance(node, yaml.ScalarNode):
        reading.fault(node, f"{where} must be a single value")
        return None
    return _scalar(kind, node, reading, where)


def _items(kind: Any, node: yaml.Node, reading: _Reading, where: str) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        reading.fault(node, f"{where} must be a list")
        return ()
    return tuple(_value(kind, item, reading, f"{where}[{index}]") for index, item in enumerate(node.value))


def _scalar(kind: Any, node: yaml.ScalarNode, reading: _Reading, where: str) -> Any:
    base = getattr(kind, "__supertype__", kind)
    text = _INDIRECT.sub(lambda found: reading.environment.get(found[1], found[0]), str(node.value))
    if _INDIRECT.search(text):
        reading.fault(node, f"{where} names an environment variable that is not set")
        return None
    read = _READERS.get(base)
    try:
        if read is not None:
            return read(text, where)
        if isinstance(base, type) and issubclass(base, Enum):
            return base(text)
    except ValueError as error:
        reading.fault(node, f"{where}: {_told(base, text, error)}")
        return None
    return text


def _told(base: Any, text: str, error: ValueError) -> str:
    if isinstance(base, type) and issubclass(base, Enum):
        return f"{text!r} is not one of {', '.join(str(one.value) for one in base)}"
    return str(error)


def _bool(text: str, where: str) -> bool:
    del where
    if text.lower() in {"true", "yes", "on"}:
        return True
    if text.lower() in {"false", "no", "off"}:
        return False
    raise ValueError(f"{text!r} is not true or false")


def _int(text: str, where: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[2] is not None and where.rpartition(".")[2] not in _SIZES):
        raise ValueError(f"{text!r} is not a whole number")
    return int(found[1]) * _BYTES[found[2]]


def _duration(text: str, where: str) -> timedelta:
    del where
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        raise ValueError(f"{text!r} is not a duration such as 15s, 10m, 24h or 90d")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _secret(text: str, where: str) -> Secret:
    del where
    if not text.startswith(_SOURCES):
        raise ValueError("a secret is not written here: use env:NAME, file:PATH, command:… or vault:NAME")
    return Secret(text)


def _path(text: str, where: str) -> Path:
    del where
    return Path(text).expanduser()


def _text(text: str, where: str) -> str:
    del where
    return text


_READERS: Final[Mapping[Any, Callable[[str, str], Any]]] = {
    bool: _bool,
    int: _int,
    timedelta: _duration,
    Secret: _secret,
    Path: _path,
    str: _text,
}
