"""Which tap reads a reply: chosen by its content type and the grammar of its route."""

from collections.abc import Callable, Mapping
from typing import Final

from chatelaine.core.grammar.index import GRAMMARS, Grammar
from chatelaine.core.stream.frame import FrameTap
from chatelaine.core.stream.socket import SocketTap
from chatelaine.core.stream.sse import EventTap
from chatelaine.core.stream.tap import BlindTap, Tap
from chatelaine.core.stream.whole import ArrayTap, JsonTap

BLIND: Final = BlindTap()
_PLAIN: Final = GRAMMARS["plain"]
_TAPS: Final[Mapping[str, Callable[[Grammar], Tap]]] = {
    "application/json": JsonTap,
    "text/json": JsonTap,
    "application/problem+json": JsonTap,
    "text/event-stream": EventTap,
    "application/vnd.amazon.eventstream": FrameTap,
}
_STREAMS_ARRAYS: Final = GRAMMARS["gemini"]


def tap_for(content_type: str, grammar: str, *, websocket: bool = False) -> Tap:
    """Return the tap for a reply.

    Args:
        content_type: the reply's, with or without parameters; "" where it says none.
        grammar: name of the route's grammar; "" reads errors alone.
        websocket: whether the route is one for a WebSocket; its refusals are JSON all the same.
    """
    reads = GRAMMARS[grammar] if grammar else _PLAIN
    kind = content_type.partition(";")[0].strip().lower()
    if websocket and not kind:
        return SocketTap(reads)
    if not grammar and kind == "text/event-stream":
        return BLIND
    made = _TAPS.get(kind)
    if made is None:
        return BLIND
    return ArrayTap(reads) if made is JsonTap and reads is _STREAMS_ARRAYS else made(reads)
