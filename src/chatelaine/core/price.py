"""Prices: which one a model has, what an exchange cost, and the worst it may cost.

All amounts are whole numbers and are rounded up: a budget is never undercharged by rounding.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from chatelaine.model.exchange import Modality, Operation, Reservation, Shape, Usage
from chatelaine.model.price import ModelPrice, PriceTable
from chatelaine.model.words import NanoUsd

FREE: Final = frozenset({Operation.LIST, Operation.COUNT, Operation.MODERATION, Operation.FILE})
"""Operations that no provider bills by itself."""

BYTES_A_TOKEN: Final = 2
"""English text has about four bytes a token; half of that covers code, digits and most scripts."""

BYTES_A_SECOND: Final = 500
"""The thinnest speech codecs in use need a little more (Opus at 6 kbit/s: 750)."""

IMAGE_TOKENS: Final = 16_384
"""Input tokens reserved for images and sounds that a body only points to, over all of them."""

FREE_PRICE: Final = ModelPrice(model="free")
_NOTHING_RESERVED: Final = Reservation()
_TEXT_ALONE: Final = (Modality.TEXT,)
_TAKING_MANY: Final = frozenset({Operation.EMBEDDING, Operation.COMPLETION})
_POINTED_AT: Final = (Modality.IMAGE, Modality.AUDIO)
_POINTED_AT_WHOLE: Final = (Modality.VIDEO, Modality.DOCUMENT)
_TAKING_TEXT: Final = frozenset(
    {Operation.IMAGE, Operation.SPEECH, Operation.EMBEDDING, Operation.TRANSCRIPTION}
)
_PICO_A_NANO: Final = 1000
_MODEL_LENGTH_MAX: Final = 256
_SUFFIXES_MAX: Final = 6

_REGION: Final = re.compile(r"(?:us|eu|apac|jp|au|ca|sa|af|me|in|us-gov|global)\.(?=[a-z0-9-]+\.)")
_MAKER: Final = re.compile(r"(?:anthropic|amazon|meta|mistral|cohere|openai)\.")
# A version, a date in any of its spellings, a release stage: what stands behind a family's name.
_SUFFIX: Final = re.compile(
    r"(?:[-@]\d{8}|-\d{4}-\d{2}-\d{2}|-\d{2}-\d{4}|-\d{2}-\d{2}|-\d{3,4}|-v\d+(?:\.\d+)?|:\d+k?|-latest|-preview)$"
)


class Index:
    """Price rows made ready for look-ups; of two rows for one name the later one counts."""

    def __init__(self, rows: Iterable[ModelPrice]) -> None:
        self._exact: dict[str, ModelPrice] = {}
        families: dict[str, ModelPrice] = {}
        for row in rows:
            name = row.model.lower()
            if name.endswith("*"):
                families[name[:-1]] = row
            else:
                self._exact[name] = row
        self._families = sorted(families.items(), key=_longest_first)

    def find(self, model: str) -> ModelPrice | None:
        """Return the row of a model as a caller or a path names it, else of its family, else None."""
        if len(model) > _MODEL_LENGTH_MAX:
            return None
        names = tuple(_spellings(model))
        for name in names:
            exact = self._exact.get(name)
            if exact is not None:
                return exact
        for name in names:
            for prefix, row in self._families:
                if name.startswith(prefix):
                    return row
        return None


def _longest_first(family: tuple[str, ModelPrice]) -> int:
    return -len(family[0])


def index(rows: Iterable[ModelPrice]) -> Index:
    """Return price rows made ready for look-ups."""
    return Index(rows)


def find(table: PriceTable, rows: Index, model: str) -> ModelPrice:
    """Return the price of a model; what no row names is priced as unknown, which is dear on purpose.

    It costs some microseconds: the caller holds what it found.
    """
    return rows.find(model) or table.unknown


def find_for(table: PriceTable, rows: Index, model: str, operation: Operation) -> ModelPrice:
    """Return the price of a model for an operation; what no provider bills is free."""
    return FREE_PRICE if operation in FREE else find(table, rows, model)


def _spellings(model: str) -> Iterator[str]:
    """Yield the names a model may be priced under, the most exact first.

    ``arn:…:inference-profile/us.anthropic.claude-x-20250929-v1:0`` is tried whole, then without its
    path, its region and its maker, each of them also without one suffix after another.
    """
    name = model.lower()
    yield name
    name = name.rsplit("/", 1)[-1]
    yield from _without_suffixes(name)
    elsewhere = _REGION.sub("", name, count=1)
    if elsewhere != name:
        yield from _without_suffixes(elsewhere)
    if _MAKER.match(elsewhere):
        yield from _without_suffixes(elsewhere.partition(".")[2])


def _without_suffixes(name: str) -> Iterator[str]:
    yield name
    for _ in range(_SUFFIXES_MAX):
        found = _SUFFIX.search(name)
        if found is None:
            return
        name = name[: found.start()]
        yield name


def cost(price: ModelPrice, usage: Usage) -> NanoUsd:
    """Return what an exchange cost, rounded up.

    Cached, written and audio tokens are parts of the input, reasoning of the output; an upstream that
    claims more of a part than of the whole, or less than nothing, is not believed.
    """
    given, made = usage.input_tokens, usage.output_tokens
    if price.long is not None and given > price.long_over:
        price = price.long
    pico = price.request
    if given > 0:
        pico += _input_cost(price, usage) if _has_parts(usage) else given * price.input
    if made > 0:
        spoken = usage.audio_output_tokens
        pico += made * price.output if spoken <= 0 else _output_cost(price, made, spoken)
    if usage.images > 0:
        pico += usage.images * price.image
    if usage.seconds > 0:
        pico += usage.seconds * price.second
    return NanoUsd(-(-pico // _PICO_A_NANO))


def _has_parts(usage: Usage) -> bool:
    return usage.cached_tokens > 0 or usage.cache_write_tokens > 0 or usage.audio_input_tokens > 0


def _input_cost(price: ModelPrice, usage: Usage) -> int:
    rate = price.input
    left = usage.input_tokens
    pico = 0
    if usage.cached_tokens > 0:
        part = min(usage.cached_tokens, left)
        pico += part * (rate if price.cached is None else price.cached)
        left -= part
    if usage.cache_write_tokens > 0:
        part = min(usage.cache_write_tokens, left)
        pico += part * (rate if price.cache_write is None else price.cache_write)
        left -= part
    if usage.audio_input_tokens > 0:
        part = min(usage.audio_input_tokens, left)
        pico += part * (rate if price.audio_input is None else price.audio_input)
        left -= part
    return pico + left * rate


def _output_cost(price: ModelPrice, made: int, spoken: int) -> int:
    heard = min(spoken, made)
    rate = price.output if price.audio_output is None else price.audio_output
    return heard * rate + (made - heard) * price.output


def estimate_input(body_bytes: int) -> int:
    """Return the input tokens that a body may hold at most, as far as its size can tell."""
    return -(-body_bytes // BYTES_A_TOKEN)


def estimate_seconds(body_bytes: int) -> int:
    """Return the seconds of audio that an upload may hold at most, as far as its size can tell."""
    return -(-body_bytes // BYTES_A_SECOND)


def worst_case(price: ModelPrice, operation: Operation, shape: Shape, body_bytes: int) -> Reservation:
    """Return the most an exchange may use and cost, to be reserved before a byte is forwarded.

    Where the caller caps the output at nothing, at less, or above what the model gives, the model's
    maximum is taken. What an upstream adds by itself (a stored conversation, a search) is not seen.
    """
    if operation in FREE:
        return _NOTHING_RESERVED
    given = _most_input(price, operation, shape, body_bytes)
    made = 0 if operation is Operation.EMBEDDING else _most_output(price, operation, shape)
    if price.long is not None and given > price.long_over:
        price = price.long
    pico = price.request + given * _dearest_input(price) + made * _dearest_output(price)
    if price.image:
        pico += max(shape.images, shape.choices) * price.image
    if price.second:
        pico += max(shape.seconds, estimate_seconds(body_bytes)) * price.second
    return Reservation(given, made, NanoUsd(-(-pico // _PICO_A_NANO)))


def _most_input(price: ModelPrice, operation: Operation, shape: Shape, body_bytes: int) -> int:
    if operation is Operation.REALTIME:
        return price.context
    given = -(-body_bytes // BYTES_A_TOKEN)
    if operation in _TAKING_MANY:
        # The context bounds each of the inputs, not their sum.
        return given
    if shape.modalities != _TEXT_ALONE and operation not in _TAKING_TEXT:
        if any(kind in shape.modalities for kind in _POINTED_AT_WHOLE):
            return price.context
        if any(kind in shape.modalities for kind in _POINTED_AT):
            given += IMAGE_TOKENS
    return min(price.context, given)


def _most_output(price: ModelPrice, operation: Operation, shape: Shape) -> int:
    asked, most = shape.output_cap, price.max_output
    capped = most if asked is None or asked <= 0 or asked > most else asked
    answers = shape.choices
    if operation is Operation.IMAGE and shape.images > answers:
        answers = shape.images
    elif operation is Operation.COMPLETION:
        answers *= _prompts(shape)
    return capped * answers if answers > 1 else capped


def _prompts(shape: Shape) -> int:
    """Return how many prompts a completion answers; one prompt may be a list of token numbers."""
    prompts = shape.messages
    return 1 if not prompts or prompts[0][:1].isdigit() else len(prompts)


def _dearest_input(price: ModelPrice) -> int:
    rate = price.input
    if price.cached is not None and price.cached > rate:
        rate = price.cached
    if price.cache_write is not None and price.cache_write > rate:
        rate = price.cache_write
    if price.audio_input is not None and price.audio_input > rate:
        rate = price.audio_input
    return rate


def _dearest_output(price: ModelPrice) -> int:
    spoken = price.audio_output
    return price.output if spoken is None or spoken < price.output else spoken
