"""What models cost: prices in picodollars, so that one dollar per million tokens is 1,000,000."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """The price of one model, or of a family of models named by a trailing ``*``."""

    model: str
    input: int = 0
    """Picodollars a token."""
    cached: int | None = None
    """Picodollars a cached input token; None: as ``input``."""
    cache_write: int | None = None
    output: int = 0
    audio_input: int | None = None
    audio_output: int | None = None
    image: int = 0
    """Picodollars a generated image."""
    second: int = 0
    """Picodollars a second of audio."""
    request: int = 0
    """Picodollars a request."""
    context: int = 128_000
    """The most input tokens the model takes."""
    max_output: int = 16_384
    """The most output tokens the model gives; reserved where the caller sets no cap."""
    long_over: int = 0
    """Input tokens above which ``long`` prices the whole exchange."""
    long: "ModelPrice | None" = None
    """The dearer price of long inputs, nowhere below this one; None where length does not matter."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A dated price list; ``unknown`` prices every model that no row names."""

    dated: str
    rows: tuple[ModelPrice, ...]
    unknown: ModelPrice
