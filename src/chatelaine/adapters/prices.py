"""Price files: the embedded list, and the operator's own rows in its place."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from chatelaine.model.error import TableError
from chatelaine.model.price import ModelPrice, PriceTable

_PICO: Final = 1_000_000
"""Picodollars a token, for one dollar a million tokens."""
_WHOLE_DOLLARS: Final = 1_000_000_000_000
"""Picodollars in a dollar."""


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    """A row of a price file, in dollars."""

    input: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    output: float = 0.0
    audio_input: float | None = None
    audio_output: float | None = None
    image: float = 0.0
    second: float = 0.0
    request: float = 0.0
    context: int = 128_000
    max_output: int = 16_384


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A price file."""

    dated: str
    models: dict[str, _Row] = {}
    unknown: _Row | None = None


def load_prices(override: Path | None) -> PriceTable:
    """Return the embedded list with the operator's rows in place of those of the same name.

    Raises:
        TableError: naming the file and what is wrong with it.
    """
    embedded = _read("prices.toml", files("chatelaine.tables").joinpath("prices.toml").read_text("utf-8"))
    unknown = embedded.unknown or _Row()
    rows: Mapping[str, _Row] = embedded.models
    dated = embedded.dated
    if override is not None:
        try:
            own = _read(str(override), override.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise TableError(f"{override}: {error}", hint="check prices.file") from error
        rows, dated, unknown = {**rows, **own.models}, own.dated, own.unknown or unknown
    return PriceTable(dated, tuple(_price(name, row) for name, row in rows.items()), _price("*", unknown))


def _read(name: str, text: str) -> _File:
    try:
        held = msgspec.convert(tomllib.loads(text), _File, strict=False)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TableError(f"{name}: {error}", hint="compare it with docs/reference/prices.md") from error
    for model, row in held.models.items():
        if any(value is not None and value < 0 for value in msgspec.structs.astuple(row)):
            raise TableError(f"{name}: the row of {model} has a negative price", hint="prices are positive")
    return held


def _price(model: str, row: _Row) -> ModelPrice:
    return ModelPrice(
        model=model,
        input=round(row.input * _PICO),
        cached=_maybe(row.cached),
        cache_write=_maybe(row.cache_write),
        output=round(row.output * _PICO),
        audio_input=_maybe(row.audio_input),
        audio_output=_maybe(row.audio_output),
        image=round(row.image * _WHOLE_DOLLARS),
        second=round(row.second * _WHOLE_DOLLARS),
        request=round(row.request * _WHOLE_DOLLARS),
        context=row.context,
        max_output=row.max_output,
    )


def _maybe(dollars: float | None) -> int | None:
    return None if dollars is None else round(dollars * _PICO)
