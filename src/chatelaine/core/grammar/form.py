"""The grammar of uploaded forms: audio, image edits, files. Only their small fields are read."""

from typing import Final

from chatelaine.core.grammar.reading import choices
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Modality, Shape

_DECISIVE: Final = ("model", "n", "stream")
_TRUE: Final = frozenset({"true", "1"})
_DOCUMENT: Final = (Modality.DOCUMENT,)


def read_form(fields: tuple[tuple[str, str], ...], size: int) -> Shape:
    """Return the shape of an upload.

    Args:
        fields: the form fields at its front, in order.
        size: its bytes; they bound how long its audio can last, which the price knows how to tell.

    Raises:
        BodyUnreadable: a field that decides what is charged stands twice.
    """
    del size
    names = [name for name, _ in fields]
    for name in _DECISIVE:
        if names.count(name) > 1:
            raise BodyUnreadable(f"the form says {name} twice", clause="RFC 7578 §5.2")
    said = dict(fields)
    wanted = choices(said.get("n"))
    return Shape(
        model=said.get("model", ""),
        stream=said.get("stream", "").lower() in _TRUE,
        choices=wanted,
        modalities=_DOCUMENT if "purpose" in said else (),
        images=wanted,
        end_user=said.get("user", ""),
        empty="prompt" in said and not said["prompt"].strip(),
    )
