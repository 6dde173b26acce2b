"""The grammars by the names that route cards use."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from chatelaine.core.grammar import anthropic, converse, gemini, invoke, openai
from chatelaine.model.exchange import Served, Shape


class Grammar(NamedTuple):
    """One grammar: how a request and a reply are read."""

    read_request: Callable[[bytes], Shape]
    read_reply: Callable[[bytes], Served]


GRAMMARS: Final[Mapping[str, Grammar]] = {
    "openai": Grammar(openai.read_request, openai.read_reply),
    "anthropic": Grammar(anthropic.read_request, anthropic.read_reply),
    "gemini": Grammar(gemini.read_request, gemini.read_reply),
    "converse": Grammar(converse.read_request, converse.read_reply),
    "invoke": Grammar(invoke.read_request, invoke.read_reply),
}
