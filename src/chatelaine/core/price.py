"""What an exchange costs: found in a dated list, reckoned in whole numbers, rounded up."""

import re
from collections.abc import Iterable, Mapping

from chatelaine.model.exchange import Operation, Reservation, Shape, Usage
from chatelaine.model.price import ModelPrice, PriceTable
from chatelaine.model.words import NOTHING, NanoUsd

_PICO = 1000
"""Picodollars in a nanodollar."""
_BYTES_A_TOKEN = 2
"""A token is two bytes at least but in made-up text, so bytes / 2 is a safe estimate."""
_AUDIO_BYTES_A_SECOND = 2000
"""The least that speech is coded with (16 kbit/s), so bytes / 2000 is the longest a file can last."""
_REGIONS = re.compile(r"^(?:us|eu|apac|us-gov|global|jp|au|ca|sa)\.")
_DATED = re.compile(r"[-@](?:20\d\d-?\d\d-?\d\d|\d{4}|latest|preview)(?:-v\d+)?(?::\d+)?$|-v\d+(?::\d+)?$")
_WITHOUT_OUTPUT = frozenset(
    {Operation.EMBEDDING, Operation.MODERATION, Operation.TRANSCRIPTION, Operation.FILE}
)
_FREE = frozenset({Operation.LIST, Operation.COUNT, Operation.MODERATION, Operation.OTHER})

Index = Mapping[str, ModelPrice]


def index(rows: Iterable[ModelPrice]) -> dict[str, ModelPrice]:
    """Return price rows by model name; a later row replaces an earlier one."""
    return {row.model: row for row in rows}


def find(table: PriceTable, rows: Index, model: str) -> ModelPrice:
    """Return the price of a model.

    Its own row, else that of its name without region and date, else the longest ``*`` row, else
    the row for unknown models, which is dear on purpose.
    """
    name = _REGIONS.sub("", model.rpartition("/")[2])
    for candidate in (model, name, _DATED.sub("", name), name.partition(".")[2]):
        if candidate in rows:
            return rows[candidate]
    families = [row for row in table.rows if row.model.endswith("*") and name.startswith(row.model[:-1])]
    if families:
        return max(families, key=lambda row: len(row.model))
    vendorless = name.partition(".")[2]
    if vendorless:
        return find(table, rows, vendorless)
    return table.unknown


def worst_case(price: ModelPrice, operation: Operation, shape: Shape, body_bytes: int) -> Reservation:
    """Return the most that a request may use and cost.

    A cap that is missing, impossible or beyond the model's own counts as the model's own.
    """
    if operation in _FREE:
        return Reservation(0, 0, NOTHING)
    asked = min(-(-body_bytes // _BYTES_A_TOKEN), price.context)
    cap = shape.output_cap
    output = 0
    if operation not in _WITHOUT_OUTPUT:
        most = price.max_output
        output = (cap if cap is not None and 0 < cap < most else most) * shape.choices
    if operation is Operation.TRANSCRIPTION:
        asked = 0
    seconds = -(-body_bytes // _AUDIO_BYTES_A_SECOND) if operation is Operation.TRANSCRIPTION else 0
    images = max(shape.images, 1) if operation is Operation.IMAGE else 0
    total = (
        asked * max(price.input, price.cache_write or 0, price.audio_input or 0)
        + output * max(price.output, price.audio_output or 0)
        + images * price.image
        + seconds * price.second
        + price.request
    )
    return Reservation(asked, output, NanoUsd(-(-total // _PICO)))


def cost(price: ModelPrice, usage: Usage) -> NanoUsd:
    """Return what a usage costs, rounded up to the nanodollar.

    Cached and written tokens are contained in the input, reasoning and audio tokens in input and
    output, as ``model.exchange.Usage`` says.
    """
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    heard = min(usage.audio_input_tokens, usage.input_tokens - cached - written)
    spoken = min(usage.audio_output_tokens, usage.output_tokens)
    total = (usage.input_tokens - cached - written - heard) * price.input
    total += (usage.output_tokens - spoken) * price.output + price.request
    if cached:
        total += cached * (price.input if price.cached is None else price.cached)
    if written:
        total += written * (price.input if price.cache_write is None else price.cache_write)
    if heard or spoken:
        total += heard * (price.audio_input or price.input) + spoken * (price.audio_output or price.output)
    if usage.images or usage.seconds:
        total += usage.images * price.image + usage.seconds * price.second
    return NanoUsd(-(-total // _PICO))
