"""What the demo and its apps say to each other: one JSON object a line."""

from typing import Final

from msgspec import Struct
from msgspec.json import Decoder, Encoder


class Question(Struct, tag=True, frozen=True):
    """The app is to ask the model this."""

    text: str
    stream: bool


class Ready(Struct, tag=True, frozen=True):
    """The app has loaded its SDK."""

    sdk: str
    """Name and version."""


class Piece(Struct, tag=True, frozen=True):
    """A piece of a streamed answer has arrived."""

    text: str


class Answered(Struct, tag=True, frozen=True):
    """An answer is whole."""

    text: str
    tokens: int
    """Tokens of the answer, as the reply told them."""


class Failed(Struct, tag=True, frozen=True):
    """The SDK raised an error."""

    error: str
    """The error's class."""
    status: int
    """The HTTP status; 0 where the connection broke off."""
    code: str
    message: str


Said = Ready | Piece | Answered | Failed
ENCODER: Final = Encoder()
QUESTIONS: Final = Decoder(Question)
SAYINGS: Final[Decoder[Said]] = Decoder(Said)


def line(told: Question | Said) -> bytes:
    """Return one line."""
    return ENCODER.encode(told) + b"\n"
