"""What a reply says of itself, gathered over its parts."""

from chatelaine.core.grammar.told import gather
from chatelaine.model.exchange import Served, Usage

_NOTHING = Served()


def merge(one: Served, other: Served) -> Served:
    """Return what two parts of a reply say together; the later part wins, counts never shrink."""
    if one is _NOTHING or one == _NOTHING:
        return other
    return Served(
        _merge_usage(one.usage, other.usage),
        other.model or one.model,
        other.reply_id or one.reply_id,
        other.finish or one.finish,
        other.error_code or one.error_code,
        gather(one.filters, other.filters) if other.filters else one.filters,
        one.output_bytes + other.output_bytes,
    )


def _merge_usage(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return other or one
    # Anthropic tells the input first and the output, cumulated, with the last event.
    return Usage(
        max(one.input_tokens, other.input_tokens),
        max(one.output_tokens, other.output_tokens),
        max(one.cached_tokens, other.cached_tokens),
        max(one.cache_write_tokens, other.cache_write_tokens),
        max(one.reasoning_tokens, other.reasoning_tokens),
        max(one.audio_input_tokens, other.audio_input_tokens),
        max(one.audio_output_tokens, other.audio_output_tokens),
        max(one.images, other.images),
        max(one.seconds, other.seconds),
        other.source,
    )
