"""What the grammars share: reading one field leniently, a body strictly.

A field of the wrong type is the upstream's to refuse; a body that is no JSON object, or that says
``model`` twice, is refused here, since we would judge one reading and the upstream serve another.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Modality

T = TypeVar("T")

MOST_NUMBERS: Final = 32
_DECISIVE: Final = (b'"model"', b'"stream"', b'"max_tokens"', b'"max_completion_tokens"')
_NOTHING: Final = frozenset({b"", b'""', b"null", b"[]", b"{}"})

_SEEN: Final[tuple[tuple[bytes, Modality], ...]] = (
    (b'"image', Modality.IMAGE),
    (b'"input_image', Modality.IMAGE),
    (b"image/", Modality.IMAGE),
    (b'"input_audio', Modality.AUDIO),
    (b"audio/", Modality.AUDIO),
    (b'"video', Modality.VIDEO),
    (b"video/", Modality.VIDEO),
    (b'"input_file', Modality.DOCUMENT),
    (b'"file"', Modality.DOCUMENT),
    (b'"document"', Modality.DOCUMENT),
    (b"application/pdf", Modality.DOCUMENT),
)


class _Turn(Struct):
    role: object = None
    content: Raw = Raw()
    parts: Raw = Raw()


_TURN = msgspec.json.Decoder(_Turn)
_LIST = msgspec.json.Decoder(list[Raw])


def read_object(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """Decode a request body.

    Raises:
        BodyUnreadable: it is no JSON object, or says a decisive field twice.
    """
    try:
        read = decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable(f"the body is not the JSON object it should be ({error})") from error
    if any(body.count(name) > 1 for name in _DECISIVE):
        _refuse_repeats(body)
    return read


def _refuse_repeats(body: bytes) -> None:
    """Refuse a decisive field that stands twice in the outermost object (RFC 8259 §4)."""
    outermost: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        # The decoder closes the outermost object last.
        outermost[:] = [name for name, _ in pairs]

    try:
        json.loads(body, object_pairs_hook=note)
    except (ValueError, RecursionError) as error:
        raise BodyUnreadable("the body is nested too deeply or not JSON") from error
    for name in _DECISIVE:
        if outermost.count(name.strip(b'"').decode()) > 1:
            raise BodyUnreadable(f"the body says {name.decode()} twice")


def as_list(raw: Raw) -> tuple[bytes, ...]:
    """Return the raw items of a JSON array; a single value stands for itself."""
    held = bytes(raw)
    if not held:
        return ()
    if held[:1] != b"[":
        return (held,)
    return tuple([bytes(item) for item in _LIST.decode(held)])


def text(value: object) -> str:
    """Return a string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """Return a whole number, or None for anything else; true and false are no numbers here."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def choices(value: object) -> int:
    """Return how many answers are asked for: at least one."""
    asked = whole(value)
    return asked if asked is not None and asked > 1 else 1


def numbers(fields: Mapping[str, object]) -> tuple[tuple[str, float], ...]:
    """Return every numeric or boolean parameter by its wire name."""
    found = []
    for name, value in fields.items():
        if isinstance(value, bool | float):
            found.append((name, float(value)))
        elif isinstance(value, int):
            # A number no double can hold is as impossible as infinity, and JSON cannot say that.
            found.append((name, float(value) if abs(value) < 2**1000 else 1e300))
    return tuple(found[:MOST_NUMBERS])


def modalities(raw: bytes, out: Sequence[Modality] = (Modality.TEXT,)) -> tuple[Modality, ...]:
    """Return what goes in and comes out, from the raw messages and what is known to come out."""
    found = {Modality.TEXT, *out}
    found.update(modality for needle, modality in _SEEN if needle in raw)
    return tuple(sorted(found))


def turns(messages: tuple[bytes, ...], assistant: str) -> tuple[int, bytes, bool]:
    """Return the index of the model's last own turn, the first system turn, and if the last is empty."""
    last, system, empty = -1, b"", False
    for index, message in enumerate(messages):
        try:
            turn = _TURN.decode(message)
        except msgspec.MsgspecError:
            # A turn of another shape (a bare string) is the caller's own.
            empty = message in _NOTHING
            continue
        if turn.role == assistant:
            last = index
        elif turn.role in {"system", "developer"} and not system:
            system = message
        empty = bytes(turn.content) in _NOTHING and bytes(turn.parts) in _NOTHING
    return last, system, empty


def blank(raw: bytes) -> bool:
    """Tell whether a raw JSON value holds no text at all."""
    return raw.strip() in _NOTHING
