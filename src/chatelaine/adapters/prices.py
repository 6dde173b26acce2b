"""Price files: the embedded list, and the operator's own rows in its place.

A file is TOML: ``dated``, a table ``unknown``, and tables of models of any name, each with its
``source`` and its ``models``, one line a model. Dollars are written as on the providers' pages: for a
million tokens, for an image, for a second, for a request.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from chatelaine.core.price import find, index
from chatelaine.model.error import TableError
from chatelaine.model.price import ModelPrice, PriceTable

FILE_BYTES_MAX: Final = 4 * 1024 * 1024

_TOKEN_RATES: Final = ("input", "cached", "cache_write", "output", "audio_input", "audio_output")
_UNIT_RATES: Final = ("image", "second", "request")
_COUNTS: Final = {"context": 1, "max_output": 0}
"""Whole numbers of a row, with the least each may be."""
_PICO_A_MILLIONTH: Final = 1_000_000
_PICO_A_DOLLAR: Final = 10**12
_DOLLARS_MAX: Final = 1_000_000
_HINT: Final = "docs/reference/prices.md shows every field of a row"
_EMBEDDED: Final = "prices.toml"

_Held = Mapping[str, object]


class _File:
    """One price file while it is read: what it says, and on which line it says it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines()
        try:
            self.content: _Held = tomllib.loads(text, parse_float=Decimal)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            at = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
            where = f"{name}:{at[1]}:{at[2]}" if at else f"{name}:{len(self._lines)}"
            told = str(error).partition(" (at ")[0]
            raise TableError(f"{where}: it is not TOML: {told}", hint=_HINT) from error

    def fault(self, key: str, message: str) -> TableError:
        """Return a fault of what a key says, with the line it stands on."""
        line = self._line_of(key)
        return TableError(f"{self.name}:{line}: {message}" if line else f"{self.name}: {message}", hint=_HINT)

    def _line_of(self, key: str) -> int:
        spelled = re.compile(rf"""\s*(?:\[[^\]]*?)?["']?{re.escape(key)}["']?\s*[=\]]""")
        return next((number for number, line in enumerate(self._lines, 1) if spelled.match(line)), 0)


def load_prices(override: Path | None) -> PriceTable:
    """Return the embedded list with the operator's rows in place of those of the same name.

    Reading it again is how a changed file takes effect: a table once returned never changes.

    Raises:
        TableError: naming the file, the line and what is wrong with it.
    """
    embedded = files("chatelaine.tables").joinpath(_EMBEDDED).read_text("utf-8")
    table = read_prices(_EMBEDDED, embedded, None)
    return table if override is None else read_prices(str(override), _read(override), table)


def read_prices(name: str, text: str, under: PriceTable | None) -> PriceTable:
    """Return a price file's table, laid over another one where there is one.

    Raises:
        TableError: naming the file, the line and what is wrong with it.
    """
    file = _File(name, text)
    dated = file.content.get("dated")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(dated)):
        raise file.fault("dated", 'dated must be a day, such as dated = "2026-11-23"')
    below = () if under is None else under.rows
    rows, aliases = _rows(file)
    unknown = _unknown(file, under)
    table = PriceTable(str(dated), (*below, *rows), unknown)
    return replace(table, rows=(*table.rows, *_named_like(file, table, aliases)))


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise TableError(
            f"{path}: {error.strerror or 'unreadable'}", hint="prices.file must name a file that can be read"
        ) from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: it is not UTF-8 text", hint=_HINT) from error
    if len(raw) > FILE_BYTES_MAX:
        raise TableError(f"{path}: it is larger than {FILE_BYTES_MAX} bytes", hint=_HINT)
    return text


def _unknown(file: _File, under: PriceTable | None) -> ModelPrice:
    said = file.content.get("unknown")
    if said is None and under is not None:
        return under.unknown
    return _price(file, "unknown", said)


def _rows(file: _File) -> tuple[list[ModelPrice], dict[str, str]]:
    """Return the rows of a file, and the names it prices like another."""
    rows: list[ModelPrice] = []
    aliases: dict[str, str] = {}
    for model, said in _models(file):
        if isinstance(said, str):
            aliases[model] = said
        else:
            rows.append(_price(file, model, said))
    return rows, aliases


def _models(file: _File) -> Iterator[tuple[str, object]]:
    for title, block in file.content.items():
        if title in {"dated", "unknown"}:
            continue
        if title == "models" and isinstance(block, dict):
            yield from block.items()
            continue
        if not isinstance(block, dict) or not isinstance(block.get("models", {}), dict):
            raise file.fault(title, f"{title} is not a table with its models")
        strange = sorted(block.keys() - {"models", "source", "dated"})
        if strange:
            raise file.fault(strange[0], f"{title}.{strange[0]} is not a field: models, source, dated are")
        yield from block.get("models", {}).items()


def _named_like(file: _File, table: PriceTable, aliases: Mapping[str, str]) -> Iterator[ModelPrice]:
    rows = index(table.rows)
    for name, like in aliases.items():
        found = find(table, rows, like)
        if found is table.unknown:
            raise file.fault(name, f"{name} is priced like {like}, which has no price")
        yield replace(found, model=name)


def _price(file: _File, model: str, said: object) -> ModelPrice:
    """Return a row, with the one for long inputs where it has one."""
    if not isinstance(said, dict):
        raise file.fault(model, f"{model} must be {{input = …, output = …}} or the name of another model")
    over = said.get("over")
    longer = {name: value for name, value in said.items() if name.startswith("long_")}
    base = _plain(file, model, {name: said[name] for name in said.keys() - longer.keys() - {"over"}})
    if over is None and not longer:
        return base
    if isinstance(over, bool) or not isinstance(over, int) or over < 1 or not longer:
        raise file.fault(model, f"{model}: over and the long_ prices belong together; over counts tokens")
    dearer = _plain(file, model, {name.removeprefix("long_"): value for name, value in longer.items()})
    long = replace(base, **{name: getattr(dearer, name) for name in _rate_names(longer)})
    _check_dearer(file, base, long)
    return replace(base, long_over=over, long=long)


def _rate_names(longer: Mapping[str, object]) -> Iterator[str]:
    return (name.removeprefix("long_") for name in longer)


def _check_dearer(file: _File, base: ModelPrice, long: ModelPrice) -> None:
    for name in (*_TOKEN_RATES, *_UNIT_RATES):
        short = getattr(base, name)
        if short is not None and (getattr(long, name) or 0) < short:
            raise file.fault(base.model, f"{base.model}: long_{name} is lower than {name}")


def _plain(file: _File, model: str, said: _Held) -> ModelPrice:
    values: dict[str, Any] = {}
    for name, value in said.items():
        if name in _COUNTS:
            if isinstance(value, bool) or not isinstance(value, int) or value < _COUNTS[name]:
                raise file.fault(model, f"{model}: {name} must be a number of tokens, not {value}")
            values[name] = value
        elif name in _TOKEN_RATES:
            values[name] = _pico(file, f"{model}: {name}", value, _PICO_A_MILLIONTH)
        elif name in _UNIT_RATES:
            values[name] = _pico(file, f"{model}: {name}", value, _PICO_A_DOLLAR)
        else:
            raise file.fault(model, f"{model}: {name} is not a field of a row")
    return replace(ModelPrice(model=model), **values)


def _pico(file: _File, what: str, value: object, unit: int) -> int:
    """Return dollars in picodollars, rounded up."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise file.fault(what.partition(":")[0], f"{what} must be a number of dollars")
    if not (Decimal(value).is_finite() and 0 <= value <= _DOLLARS_MAX):
        raise file.fault(what.partition(":")[0], f"{what} must be 0 to {_DOLLARS_MAX} dollars, not {value}")
    return int((Decimal(value) * unit).to_integral_value(ROUND_CEILING))
