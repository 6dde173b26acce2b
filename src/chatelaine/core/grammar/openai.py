"""The grammar of OpenAI's texts: chat, completions, Responses, moderations, batches.

Azure OpenAI and the compatible servers share it.
"""

from typing import Final

from chatelaine.core.grammar.message import (
    Kinds,
    as_messages,
    find_last,
    find_modalities,
    find_system,
    is_empty,
    join,
    kind_of_part,
    unescaped,
)
from chatelaine.core.grammar.reading import (
    Fields,
    Value,
    cap,
    choices,
    items,
    members,
    numbers,
    raw_text,
    read_fields,
    text,
)
from chatelaine.model.exchange import Modality, Shape

_KINDS: Final[Kinds] = (
    (kind_of_part(rb"(?:input_)?image(?:_url)?"), Modality.IMAGE),
    (kind_of_part(rb"(?:input_)?audio(?:_url)?"), Modality.AUDIO),
    (kind_of_part(rb"(?:input_)?video(?:_url)?"), Modality.VIDEO),
    (kind_of_part(rb"(?:input_)?file"), Modality.DOCUMENT),
)
_TEXT: Final[tuple[Modality, ...]] = (Modality.TEXT,)
_AUDIO: Final = (Modality.AUDIO,)
_IMAGE: Final = (Modality.IMAGE,)


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, hidden = read_fields(body)
    get = fields.get
    said = get("messages")
    if said is None:
        said = get("input") if "input" in fields else get("prompt")
    messages = as_messages(said)
    modalities = find_modalities(messages, _KINDS, hidden=hidden)
    if "tools" in fields or "modalities" in fields:
        modalities = join(modalities, _asked_for(fields, hidden=hidden))
    return Shape(
        text(get("model")),
        get("stream") is True,
        cap(get("max_tokens"), get("max_completion_tokens"), get("max_output_tokens")),
        choices(get("n"), get("best_of")) if "n" in fields or "best_of" in fields else 1,
        numbers(fields),
        modalities,
        items(get("tools")) + items(get("functions")) if "tools" in fields or "functions" in fields else 0,
        0,
        0,
        end_user(fields),
        find_system(messages) or raw_text(get("instructions")),
        messages,
        find_last(messages, "assistant"),
        is_empty(said, messages),
    )


def _asked_for(fields: Fields, *, hidden: bool) -> tuple[Modality, ...]:
    """Return what is to come out beside text: speech, or images made by a tool."""
    found = _TEXT
    if _names(fields.get("modalities"), b'"audio"', hidden=hidden):
        found = join(found, _AUDIO)
    if _names(fields.get("tools"), b'"image_generation"', hidden=hidden):
        found = join(found, _IMAGE)
    return found


def _names(value: Value, name: bytes, *, hidden: bool) -> bool:
    """Tell whether an item of an array holds a name."""
    if not isinstance(value, list):
        return False
    return any(name in (unescaped(bytes(item)) if hidden else bytes(item)) for item in value)


def end_user(fields: Fields) -> str:
    """Return whom the caller says it asks for: its own name for its user, "" where it says none."""
    told = fields.get("safety_identifier") or fields.get("user")
    if told is None and "metadata" in fields:
        told = members(fields["metadata"]).get("user_id")
    return told if isinstance(told, str) else ""
