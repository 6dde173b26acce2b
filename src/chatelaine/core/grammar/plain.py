"""The grammar of replies that only say whether something went wrong: lists, files, tallies."""

from chatelaine.core.grammar import openai_reply
from chatelaine.model.exchange import Served, Shape

_NO_SHAPE = Shape(modalities=())


def read_request(body: bytes) -> Shape:
    """Read nothing: such a request says nothing that is charged or recorded."""
    del body
    return _NO_SHAPE


def read_reply(body: bytes) -> Served:
    """Read a reply's error, where it is one; what it counts has been paid before.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    return Served(error_code=openai_reply.read_reply(body).error_code)


def read_event(data: bytes, name: str) -> Served | None:
    """Read the error that an event may be.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    served = openai_reply.read_event(data, name)
    return Served(error_code=served.error_code) if served is not None else None
