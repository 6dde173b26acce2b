"""What the settings look like to others: their JSON Schema, their page in the docs, an example, a view.

All of it is drawn from ``model/settings.py`` itself: types, defaults and docstrings.
"""

import ast
import inspect
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import yaml

from chatelaine.app.difference import AT_RESTART
from chatelaine.app.settings_values import NUMBER_MAX
from chatelaine.model import settings as tree
from chatelaine.model.settings import Secret, Settings

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]
_DURATION: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$"
_BARE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]*")
_UNITS: Final = (("d", 86_400, 2), ("h", 3600, 1), ("m", 60, 2), ("s", 1, 1))
"""Units of durations, their seconds, and from how many on they are written: 24h, not 1d."""

_SIZES: Final = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))

_PLAIN: Final[Mapping[object, _Schema]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0, "maximum": NUMBER_MAX},
    timedelta: {"type": "string", "pattern": _DURATION},
    Secret: {"type": "string", "pattern": "^(env|file|command|vault):.+"},
    Path: {"type": "string", "minLength": 1},
    str: {"type": "string", "minLength": 1},
}
_MARKED: Final[Mapping[object, _Schema]] = {
    "port": {"type": "integer", "minimum": 1, "maximum": 65_535},
    "size": {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": NUMBER_MAX},
            {"type": "string", "pattern": "^[1-9][0-9]* ?(B|KiB|MiB|GiB)$"},
        ]
    },
    "delay": {"anyOf": [{"type": "string", "pattern": _DURATION}, {"const": 0}]},
    "url": {"type": "string", "pattern": "^https?://[^@?#\\s]+$"},
}
_SAID: Final[Mapping[object, str]] = {
    "port": "port",
    "size": "size",
    "delay": "duration, or 0",
    "host": "host",
    "block": "CIDR block",
    "url": "URL",
    bool: "true or false",
    int: "whole number",
    timedelta: "duration",
    Secret: "secret's source",
    Path: "path",
    str: "text",
}


def schema() -> _Schema:
    """Return the JSON Schema of a settings file."""
    return {"$schema": SCHEMA_DIALECT, "title": "Chatelaine's settings", **_section(Settings)}


def _section(kind: type) -> _Schema:
    hints = get_type_hints(kind, include_extras=True)
    said = _docstrings()[kind.__name__]
    found: _Schema = {"type": "object", "description": (inspect.getdoc(kind) or "").partition("\n\n")[0]}
    properties = {field.name: _property(hints[field.name], field, said) for field in _fields(kind)}
    required = [field.name for field in _fields(kind) if _default(field) is MISSING]
    return found | {"properties": properties, "required": required, "additionalProperties": False}


def _property(hint: Any, field: Field[Any], said: Mapping[str, str]) -> _Schema:
    found = _kind_schema(hint)
    if field.name in said:
        found["description"] = said[field.name]
    default = _default(field)
    if default is not MISSING and not is_dataclass(default):
        found["default"] = as_plain(default, hint)
    return found


def _kind_schema(hint: Any) -> _Schema:
    if get_origin(hint) in {Union, UnionType}:
        return {"anyOf": [_kind_schema(_inner(hint)), {"type": "null"}]}
    if get_origin(hint) is Annotated:
        mark = hint.__metadata__[0]
        return dict(_MARKED[mark]) if mark in _MARKED else _kind_schema(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _kind_schema(get_args(hint)[0])}
    if hasattr(hint, "__supertype__"):
        return {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [one.value for one in hint]}
    return dict(_PLAIN[hint]) if hint in _PLAIN else _section(hint)


def _inner(hint: Any) -> Any:
    return next(one for one in get_args(hint) if one is not type(None))


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    return fields(kind)


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@cache
def _docstrings() -> Mapping[str, Mapping[str, str]]:
    """Return what stands below each setting, by class and name (the tree's own source is read)."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(tree)).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = dict(_said_below(node))
    return found


def _said_below(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for setting, below in zip(node.body, node.body[1:], strict=False):
        if not isinstance(setting, ast.AnnAssign) or not isinstance(setting.target, ast.Name):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            yield setting.target.id, inspect.cleandoc(str(below.value.value))


# A view of settings


def as_tree(settings: Settings) -> dict[str, Any]:
    """Return settings as plain values; of a secret only where it is read from, of a command its name."""
    found: dict[str, Any] = as_plain(settings, Settings)
    return found


def as_plain(value: Any, hint: Any = None) -> Any:
    """Return a value as a settings file would write it."""
    if is_dataclass(value) and not isinstance(value, Secret):
        hints = get_type_hints(type(value), include_extras=True)
        return {
            field.name: as_plain(getattr(value, field.name), hints[field.name]) for field in fields(value)
        }
    if isinstance(value, tuple):
        return [as_plain(one) for one in value]
    if get_origin(hint) is Annotated and hint.__metadata__[0] == "size":
        return _written_size(value)
    written = next((write for kind, write in _WRITTEN if isinstance(value, kind)), None)
    return value if written is None else written(value)


def _written_secret(secret: Secret) -> str:
    """Return a secret's source; the arguments of a command may themselves be secret."""
    kind, _, rest = secret.source.partition(":")
    words = rest.split()
    return f"command:{words[0]} …" if kind == "command" and len(words) > 1 else secret.source


def _written_duration(value: timedelta) -> str:
    left = value // timedelta(milliseconds=1)
    if not left:
        return "0s"
    seconds, milliseconds = divmod(left, 1000)
    for unit, size, least in _UNITS:
        if not milliseconds and seconds % size == 0 and seconds >= least * size:
            return f"{seconds // size}{unit}"
    return f"{left}ms"


def _written_size(value: int) -> int | str:
    return next((f"{value // size}{unit}" for unit, size in _SIZES if value % size == 0), value)


_WRITTEN: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (Secret, _written_secret),
    (timedelta, _written_duration),
    (Enum, operator.attrgetter("value")),
    (Path, str),
)


def show(settings: Settings) -> str:
    """Return settings as a file that would give them, defaults included; secrets are not shown."""
    return "".join(f"{line}\n" for line in _lines(as_tree(settings), ""))


def _lines(section: Mapping[str, Any], margin: str) -> Iterator[str]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield f"{margin}{name}:"
            yield from _lines(value, f"{margin}  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{margin}{name}:"
            for item in value:
                first, *others = _lines(item, f"{margin}    ")
                yield f"{margin}  - {first.strip()}"
                yield from others
        else:
            yield f"{margin}{name}: {_written(value)}"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return value if isinstance(value, str) and _is_bare(value) else json.dumps(value, ensure_ascii=False)


def _is_bare(text: str) -> bool:
    """Tell whether YAML reads a text as itself without quotes."""
    return _BARE.fullmatch(text) is not None and isinstance(yaml.safe_load(text), str)


# An example to begin with

FROM_ENVIRONMENT: Final = "env:OPENAI_API_KEY"
"""Where the example's provider key is read from."""

_INTRODUCTION: Final = """\
# yaml-language-server: $schema=./chatelaine.schema.json
# Chatelaine's settings. All that stands here behind a # is the default; take the # away to change it.
#   chatelaine config check        finds every fault
#   chatelaine config schema       writes chatelaine.schema.json for your editor
# A variable outranks this file: CHATELAINE__GATE__PORT=9443. A flag outranks both: --set gate.port=9443.
"""
_UPSTREAM: Final = f"""
# Where requests go. A secret never stands here, only where it is read from: env:NAME, file:PATH,
# command:…, or vault:NAME (chatelaine keys provider put NAME seals it).
# upstreams:
#   - name: openai
#     provider: openai
#     url: https://api.openai.com
#     credential: {FROM_ENVIRONMENT}
"""


def example() -> str:
    """Return a commented settings file that gives the defaults, to begin with."""
    return "\n".join([_INTRODUCTION, *_commented(Settings, "")]) + "\n" + _UPSTREAM


def first_file(credential: str) -> str:
    """Return the example with an upstream to begin with, whose key is read from ``credential``."""
    defaults, heading, upstream = example().partition("# upstreams:\n")
    upstream = upstream.replace(FROM_ENVIRONMENT, credential)
    return f"{defaults}{heading[2:]}{re.sub('^# ', '', upstream, flags=re.MULTILINE)}"


def _commented(kind: Any, margin: str) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    said = _docstrings()[kind.__name__]
    for field in _fields(kind):
        default = _default(field)
        if is_dataclass(default):
            yield f"# {margin}{field.name}:  # {_first_line(type(default))}"
            yield from _commented(type(default), f"{margin}  ")
        elif not _is_list_of_sections(hints[field.name]):
            told = f"  # {said[field.name].replace('``', '')}" if field.name in said else ""
            yield f"# {margin}{field.name}: {_written(as_plain(default, hints[field.name]))}{told}"


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0].replace("``", "")


def _is_list_of_sections(hint: Any) -> bool:
    return get_origin(hint) is tuple and is_dataclass(get_args(hint)[0])


# The page in the docs

_ABOUT: Final = """\
How they are read, what outranks what, and what a reload takes over:
[how to change settings](../how-to/settings.md).
*Restart* marks what takes effect at the next start only."""


def reference() -> str:
    """Return the page of the docs that lists every setting."""
    head = [
        "# Settings",
        "",
        "<!-- Drawn from model/settings.py; tests/app/test_settings_schema.py says how to draw it anew. -->",
        "",
        _ABOUT,
    ]
    return "\n".join([*head, *_tables(Settings, "", "")]) + "\n"


def _tables(kind: Any, name: str, title: str) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    said = _docstrings()[kind.__name__]
    inner = [(field, _sub_section(hints[field.name])) for field in _fields(kind)]
    rows = [_row(field, hints[field.name], said, name) for field, section in inner if section is None]
    if name:
        yield from ("", f"## {title}", "", (inspect.getdoc(kind) or "").partition("\n\n")[0])
    if rows:
        yield from ("", "| setting | value | default | meaning |", "|---|---|---|---|", *rows)
    for field, section in inner:
        if section is not None:
            dotted = f"{name}.{field.name}" if name else field.name
            listed = "[]" if get_origin(hints[field.name]) is tuple else ""
            yield from _tables(section, f"{dotted}{listed}", f"{dotted}{listed}")


def _sub_section(hint: Any) -> Any:
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return inner if is_dataclass(inner) and inner is not Secret else None


def _row(field: Field[Any], hint: Any, said: Mapping[str, str], section: str) -> str:
    default = _default(field)
    shown = "required" if default is MISSING else f"`{_written(as_plain(default, hint))}`"
    dotted = f"{section}.{field.name}"
    later = any(dotted == one or dotted.startswith((f"{one}.", f"{one}[")) for one in AT_RESTART)
    told = f"{said.get(field.name, '')}{' *Restart*' if later else ''}"
    return f"| `{field.name}` | {_named(hint)} | {shown} | {told.strip()} |"


def _named(hint: Any) -> str:
    """Return what kind of value a setting takes, in words."""
    if get_origin(hint) in {Union, UnionType}:
        return _named(_inner(hint))
    if get_origin(hint) is tuple:
        return f"list: {_named(get_args(hint)[0])}"
    if get_origin(hint) is Annotated:
        return _SAID[hint.__metadata__[0]]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f"`{one.value}`" for one in hint)
    return "name" if hasattr(hint, "__supertype__") else _SAID[hint]
