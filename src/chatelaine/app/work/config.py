"""Behind ``chatelaine config``: the settings, their schema, and a file to begin with."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

from chatelaine.app.wire import read_settings
from chatelaine.model.error import Fault, SettingsError, UsageError
from chatelaine.model.settings import Secret, Settings
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import Chosen

FIRST_FILE = """\
# yaml-language-server: $schema=./chatelaine.schema.json
# Chatelaine's settings. What is not here has its default: `chatelaine config show` shows all of them,
# `chatelaine config schema > chatelaine.schema.json` gives your editor their names.

gate:
  host: 127.0.0.1
  port: 8443
  # tls: {certificate: /etc/…/fullchain.pem, key: /etc/…/privkey.pem}   without: self-signed

admin:
  port: 8444

storage:
  directory: chatelaine-data

# Where requests go. A secret never stands here: env:NAME, file:PATH, command:…, or vault:NAME
# (`chatelaine keys provider put NAME` reads its value from standard input and seals it).
upstreams:
  - name: openai
    provider: openai
    url: https://api.openai.com
    credential: env:OPENAI_API_KEY
"""


class Config:
    """The settings one command line names."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def faults(self) -> tuple[Fault, ...]:
        """Return every fault of the settings."""
        try:
            read_settings(self._chosen.path, self._chosen.overrides)
        except SettingsError as error:
            return error.faults
        return ()

    def effective(self) -> dict[str, Json]:
        """Return the settings in force; of secrets, only where they are read from."""
        shown = _shown(read_settings(self._chosen.path, self._chosen.overrides))
        return shown if isinstance(shown, dict) else {}

    def schema(self) -> dict[str, Json]:
        """Return the JSON Schema of a settings file."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Chatelaine's settings",
            **_object_schema(Settings),
        }

    def write_first(self, path: Path) -> None:
        """Write a settings file to begin with; never over another.

        Raises:
            UsageError: there is a file, or it cannot be written.
        """
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(FIRST_FILE)
        except FileExistsError as error:
            raise UsageError(f"{path} exists already", hint="name another file, or edit that one") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def begin(chosen: Chosen) -> Config:
    """Return what the command works with."""
    return Config(chosen)


def _shown(value: object) -> Json:
    if isinstance(value, Secret):
        return _masked(value)
    if is_dataclass(value):
        return {field.name: _shown(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_shown(one) for one in value]
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value.value) if isinstance(value, Enum) else str(value)


def _masked(secret: Secret) -> str:
    """Return a secret's source; a command's arguments may themselves be secret."""
    kind, _, place = secret.source.partition(":")
    words = place.split()
    return f"command:{words[0]} …" if kind == "command" and len(words) > 1 else secret.source


def _object_schema(kind: type) -> dict[str, Json]:
    hints = get_type_hints(kind)
    named = fields(kind)
    properties: dict[str, Json] = {field.name: _property(hints[field.name], field) for field in named}
    required: list[Json] = [
        field.name for field in named if field.default is MISSING and field.default_factory is MISSING
    ]
    made: dict[str, Json] = {
        "type": "object",
        "description": (kind.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "additionalProperties": False,
    }
    return made | ({"required": required} if required else {})


def _property(kind: object, field: Field[object]) -> Json:
    made = _schema(kind)
    if field.default is not MISSING and not is_dataclass(field.default):
        made["default"] = _shown(field.default)
    return made


_SCALARS: Mapping[object, dict[str, Json]] = {
    bool: {"type": "boolean"},
    int: {"type": ["integer", "string"], "description": "A number; sizes also as 64KiB, 32MiB."},
    timedelta: {"type": "string", "pattern": r"^(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"},
    Secret: {"type": "string", "pattern": "^(env|file|command|vault):.+"},
    Path: {"type": "string"},
    str: {"type": "string"},
}


def _schema(kind: object) -> dict[str, Json]:
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        inner = next(one for one in get_args(kind) if one is not type(None))
        return {"anyOf": [_schema(inner), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(kind)[0])}
    plain = getattr(kind, "__supertype__", kind)
    if plain in _SCALARS:
        return dict(_SCALARS[plain])
    if isinstance(plain, type) and issubclass(plain, Enum):
        return {"enum": [str(one.value) for one in plain]}
    return _object_schema(plain) if isinstance(plain, type) else {}
