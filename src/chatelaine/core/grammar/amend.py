"""What the gate itself changes in a request's body, by dialect: model, cap, preamble, identifier.

Every other byte goes upstream as the caller sent it.
"""

from typing import Final, NamedTuple

import msgspec

from chatelaine.core.grammar.edit import find_members, put, put_first, put_item_first, value_of
from chatelaine.model.exchange import Operation, RouteMatch

_TALKS: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE})
_CAPS: Final[dict[str, tuple[str, ...]]] = {
    "openai": ("max_tokens", "max_completion_tokens", "max_output_tokens"),
    "anthropic": ("max_tokens", "max_tokens_to_sample"),
    "invoke": ("max_tokens", "max_tokens_to_sample", "max_gen_len"),
}
"""Names under which a dialect's body caps the output; one that stands there is lowered."""
_NESTED_CAPS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "gemini": (("generationConfig", "generation_config"), ("maxOutputTokens", "max_output_tokens")),
    "converse": (("inferenceConfig",), ("maxTokens",)),
}
_OPENAI: Final = "openai"
_IDENTIFIERS: Final[dict[tuple[str, Operation], str]] = {
    ("openai", Operation.CHAT): "safety_identifier",
    ("openai", Operation.RESPONSE): "safety_identifier",
    ("openai", Operation.IMAGE): "user",
    ("azure", Operation.CHAT): "user",
    ("azure", Operation.COMPLETION): "user",
    ("azure", Operation.RESPONSE): "user",
    ("azure", Operation.IMAGE): "user",
    ("anthropic", Operation.CHAT): "metadata",
    ("anthropic", Operation.COMPLETION): "metadata",
}
"""Where each dialect is told of the end user (OpenAI, Azure OpenAI and Anthropic API references, 2026-11)."""


_NUMBER: Final = msgspec.json.Decoder(float)


_STORED: Final = frozenset(
    {
        *("previous_response_id", "conversation", "background", "web_search_options"),
        *("mcp_servers", "container", "cachedContent", "cached_content", "additionalModelRequestFields"),
    }
)
"""Members by which a request draws on what is stored for the key's owner, or on tools by another name."""
_NOTHING: Final = frozenset({b"null", b"false", b"[]", b"{}", b'""'})


class Amendment(NamedTuple):
    """What is to be changed; what is empty stays as it is."""

    model: str = ""
    cap: int | None = None
    """Output tokens of one choice at most."""
    preamble: str = ""
    identifier: str = ""
    """Printable ASCII without quotes."""


def takes_identifier(route: RouteMatch) -> bool:
    """Tell whether a route's dialect has a field that tells of the end user."""
    return (route.provider, route.operation) in _IDENTIFIERS and not route.upload


def draws_on_more(body: bytes) -> bool:
    """Tell whether a request draws on more than what it says itself: stored talks, prompts, other tools.

    Raises:
        BodyUnreadable: a name stands twice in it.
    """
    for name, start, end in find_members(body):
        value = body[start:end]
        if name in _STORED and value not in _NOTHING:
            return True
        # A stored prompt of the Responses API brings its own model and tools; a text is no such thing.
        if name == "prompt" and value.startswith(b"{"):
            return True
    return False


def amend(route: RouteMatch, body: bytes, wanted: Amendment) -> bytes:
    """Return a body with what is wanted changed in it, as far as its dialect has a place for it.

    Raises:
        BodyUnreadable: a name stands twice in it, so that nobody knows which one counts.
    """
    if wanted.identifier and takes_identifier(route):
        body = _identify(route, body, wanted.identifier)
    if wanted.model and value_of(body, "model") is not None:
        body = put(body, "model", msgspec.json.encode(wanted.model))
    if route.operation in _TALKS:
        if wanted.cap is not None:
            body = _cap(route, body, wanted.cap)
        if wanted.preamble:
            body = _precede(route, body, wanted.preamble)
    return body


def _identify(route: RouteMatch, body: bytes, identifier: str) -> bytes:
    place, told = _IDENTIFIERS[route.provider, route.operation], msgspec.json.encode(identifier)
    if place != "metadata":
        # A member that says nothing (null) is replaced; most bodies have none, and are not searched.
        named = f'"{place}"'.encode()
        return put(body, place, told) if named in body else put_first(body, place, told)
    held = value_of(body, "metadata") if b'"metadata"' in body else None
    if held is None or not held.startswith(b"{"):
        return put(body, "metadata", b'{"user_id":%b}' % told)
    return put(body, "metadata", put(held, "user_id", told))


def _cap(route: RouteMatch, body: bytes, most: int) -> bytes:
    nested = _NESTED_CAPS.get(route.grammar)
    if nested is None:
        return _lower(body, _CAPS.get(route.grammar, ()), most, missing=_missing_cap(route))
    holders, names = nested
    for holder in holders:
        held = value_of(body, holder)
        if held is not None and held.startswith(b"{"):
            return put(body, holder, _lower(held, names, most, missing=names[0]))
    return put(body, holders[0], b'{"%b":%d}' % (names[0].encode(), most))


def _missing_cap(route: RouteMatch) -> str:
    """Return the name of the cap that is put in where the caller set none; "" where none is."""
    if route.grammar != _OPENAI:
        return ""
    if route.operation is Operation.RESPONSE:
        return "max_output_tokens"
    chats = route.operation is Operation.CHAT and route.provider == _OPENAI
    return "max_completion_tokens" if chats else "max_tokens"


def _lower(raw: bytes, names: tuple[str, ...], most: int, *, missing: str) -> bytes:
    standing = [member.name for member in find_members(raw) if member.name in names]
    if not standing:
        return put_first(raw, missing, b"%d" % most) if missing else raw
    for name in standing:
        value = value_of(raw, name)
        if value is not None and not _within(value, most):
            raw = put(raw, name, b"%d" % most)
    return raw


def _within(value: bytes, most: int) -> bool:
    """Tell whether a cap caps at no more; one that caps nothing (zero, null, a text) does not."""
    try:
        number = _NUMBER.decode(value)
    except msgspec.MsgspecError:
        return False
    return 0 < number <= most


def _precede(route: RouteMatch, body: bytes, preamble: str) -> bytes:
    told = msgspec.json.encode(preamble)
    if route.grammar == _OPENAI and route.operation is Operation.CHAT:
        return _add_item(body, "messages", b'{"role":"system","content":%b}' % told)
    if route.grammar == _OPENAI and route.operation is Operation.RESPONSE:
        return _add_text(body, "instructions", told)
    if route.grammar == "anthropic" and route.operation is Operation.CHAT:
        return _precede_anthropic(body, told)
    part = b'{"text":%b}' % told
    if route.grammar == "converse":
        held = value_of(body, "system")
        listed = held is not None and held.startswith(b"[")
        return _add_item(body, "system", part) if listed else put(body, "system", b"[%b]" % part)
    return _precede_gemini(body, part) if route.grammar == "gemini" else body


def _precede_anthropic(body: bytes, told: bytes) -> bytes:
    held = value_of(body, "system")
    if held is not None and held.startswith(b"["):
        return put(body, "system", put_item_first(held, b'{"type":"text","text":%b}' % told))
    return _add_text(body, "system", told)


def _precede_gemini(body: bytes, part: bytes) -> bytes:
    for name in ("systemInstruction", "system_instruction"):
        held = value_of(body, name)
        if held is not None and held.startswith(b"{"):
            return put(body, name, _add_item(held, "parts", part))
    return put(body, "systemInstruction", b'{"parts":[%b]}' % part)


def _add_item(raw: bytes, name: str, item: bytes) -> bytes:
    held = value_of(raw, name)
    return raw if held is None or not held.startswith(b"[") else put(raw, name, put_item_first(held, item))


def _add_text(raw: bytes, name: str, told: bytes) -> bytes:
    """Put a text before one that may stand there: both are JSON strings, so they are joined as they are."""
    held = value_of(raw, name)
    if held is None or not held.startswith(b'"'):
        return put(raw, name, told)
    return put(raw, name, b"%b\\n\\n%b" % (told[:-1], held[1:]))
