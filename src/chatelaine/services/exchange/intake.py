"""The request's way in: a JSON body is held whole, an upload only as far as its front."""

from typing import Final

from chatelaine.core.exchange.form import FormReader
from chatelaine.core.exchange.head import Head
from chatelaine.core.exchange.reply import LAST_CHUNK
from chatelaine.model.error import WireError
from chatelaine.model.exchange import RouteMatch

_FORM_FRONT: Final = 64 * 1024
"""How much of an upload is held while its form fields are looked for."""
TOO_LARGE: Final = "RFC 9110 §15.5.14"
"""The clause by which a body that is larger than allowed is refused."""


class Intake:
    """The body of one request as it comes."""

    __slots__ = ("_chunked", "_chunks", "_form", "_held", "_limit", "_upload", "bytes", "complete", "flowing")

    def __init__(self, head: Head, route: RouteMatch, *, limit: int) -> None:
        self._chunked = head.chunked
        self._upload = route.upload
        self._limit = limit
        self._chunks: list[bytes] = []
        self._held = 0
        self._form = _form(head) if route.upload else None
        self.bytes = 0
        self.complete = False
        """Whether the request has come whole."""
        self.flowing = False
        """Whether parts go upstream as they come."""

    def take(self, chunk: bytes) -> None:
        """Take the next bytes and hold them.

        Raises:
            WireError: the body is larger than allowed, or its form is broken.
        """
        self.bytes += len(chunk)
        if self.bytes > self._limit:
            raise WireError("the body is larger than allowed", clause=TOO_LARGE)
        if self._form is not None:
            self._read_form(self._form, chunk)
        self._chunks.append(chunk)
        self._held += len(chunk)

    def _read_form(self, form: FormReader, chunk: bytes) -> None:
        known = len(form.fields)
        form.feed(chunk)
        # A second "model" would be judged by us and served by the upstream, or the other way round.
        if self.flowing and any(name == "model" for name, _ in form.fields[known:]):
            raise WireError("the form names its model late or twice", clause="RFC 7578 §5.2")

    @property
    def decidable(self) -> bool:
        """Whether enough has come to decide on: all of a JSON body, the front of an upload."""
        if self.complete or not self._upload:
            return self.complete
        form = self._form
        return form is None or form.files > 0 or form.finished or self._held > _FORM_FRONT

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The small form fields that have come."""
        return tuple(self._form.fields) if self._form is not None else ()

    def whole(self) -> bytes:
        """Return the body that was held; empty for an upload, which never is."""
        if self._upload:
            return b""
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def framing(self, head: Head) -> bytes:
        """Return the header lines that frame the body, or ask for the switch, on the way upstream."""
        if head.upgrade:
            return b"connection: upgrade\r\nupgrade: %b\r\n" % head.upgrade
        if not self._upload:
            # A held body is sent with its length, however it came.
            return b"content-length: %d\r\n" % self.bytes if self.bytes or head.length == 0 else b""
        if self._chunked:
            return b"transfer-encoding: chunked\r\n"
        return b"content-length: %d\r\n" % head.length if head.length is not None else b""

    def drain(self) -> bytes:
        """Return what is held, and hold it no longer."""
        chunks, self._chunks, self._held = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def framed(self, data: bytes) -> bytes:
        """Return what was drained as it goes upstream."""
        if not (self._upload and self._chunked):
            return data
        framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return framed + LAST_CHUNK if self.complete else framed


def _form(head: Head) -> FormReader | None:
    if head.content_type.lstrip().lower().startswith(b"multipart/"):
        return FormReader(head.content_type)
    return None
