"""The grammars of OpenAI's embeddings, images and speech."""

from typing import Final

from chatelaine.core.grammar.message import as_messages, is_empty
from chatelaine.core.grammar.openai import end_user
from chatelaine.core.grammar.reading import choices, numbers, raw_text, read_fields, text
from chatelaine.model.exchange import Modality, Shape

_VECTORS: Final = (Modality.TEXT, Modality.VECTOR)
_IMAGES: Final = (Modality.IMAGE, Modality.TEXT)
_SPEECH: Final = (Modality.AUDIO, Modality.TEXT)


def read_embedding(body: bytes) -> Shape:
    """Read a request for embeddings.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, _ = read_fields(body)
    said = fields.get("input")
    messages = as_messages(said)
    return Shape(
        model=text(fields.get("model")),
        numbers=numbers(fields),
        modalities=_VECTORS,
        end_user=end_user(fields),
        messages=messages,
        empty=is_empty(said, messages),
    )


def read_image(body: bytes) -> Shape:
    """Read a request for images.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, _ = read_fields(body)
    prompt = fields.get("prompt")
    wanted = choices(fields.get("n"))
    return Shape(
        model=text(fields.get("model")),
        stream=fields.get("stream") is True,
        choices=wanted,
        numbers=numbers(fields),
        modalities=_IMAGES,
        images=wanted,
        end_user=end_user(fields),
        messages=as_messages(prompt),
        empty=is_empty(prompt, ()),
    )


def read_speech(body: bytes) -> Shape:
    """Read a request for speech.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, _ = read_fields(body)
    said = fields.get("input")
    return Shape(
        model=text(fields.get("model")),
        stream=fields.get("stream_format") == "sse",
        numbers=numbers(fields),
        modalities=_SPEECH,
        system=raw_text(fields.get("instructions")),
        messages=as_messages(said),
        empty=is_empty(said, ()),
    )
