"""The grammar of Anthropic's message batches: many requests in one body."""

from typing import Final

import msgspec

from chatelaine.core.grammar.reading import cap, read_fields, text
from chatelaine.core.grammar.wire import BatchLine
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Shape

MOST_LINES: Final = 100_000
"""Requests of one batch, as the provider limits them."""


_LINE: Final = msgspec.json.Decoder(BatchLine)


def read_request(body: bytes) -> Shape:
    """Read a batch: as many choices as it has requests, under the largest of their caps.

    Raises:
        BodyUnreadable: it is no JSON object, can be read in two ways, has too many requests, or
            they name more than one model, of which a grant could judge only one.
    """
    fields, _ = read_fields(body)
    lines = fields.get("requests")
    if not isinstance(lines, list):
        return Shape(modalities=())
    if len(lines) > MOST_LINES:
        raise BodyUnreadable("the batch has too many requests")
    shapes = [_read_line(bytes(line)) for line in lines]
    models = {model for model, _ in shapes}
    if len(models) > 1:
        raise BodyUnreadable("the batch names more than one model", hint="send one batch a model")
    caps = [most for _, most in shapes if most is not None]
    return Shape(
        model=next(iter(models), ""),
        output_cap=max(caps) if caps and len(caps) == len(shapes) else None,
        choices=max(len(shapes), 1),
        empty=not shapes,
    )


def _read_line(line: bytes) -> tuple[str, int | None]:
    read_fields(line, nested=(b'"params"',))
    try:
        params = bytes(_LINE.decode(line).params)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BodyUnreadable("a request of the batch is not a JSON object") from error
    if not params:
        return "", None
    asked, _ = read_fields(params)
    return text(asked.get("model")), cap(asked.get("max_tokens"))
