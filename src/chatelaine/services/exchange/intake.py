"""The request's way in: a JSON body is held whole, an upload only as far as its front."""

from typing import Final

from chatelaine.core.exchange.form import FormReader, is_form
from chatelaine.core.exchange.head import Head
from chatelaine.core.exchange.reply import LAST_CHUNK
from chatelaine.model.error import WireError
from chatelaine.model.exchange import RouteMatch

_FORM_FRONT: Final = 64 * 1024
"""How much of an upload is held while its form fields are looked for."""
_MOST_UNSENT: Final = 256 * 1024
"""How much of an upload is held while its upstream is being connected to."""
_SINGLE: Final = frozenset({"", "0", "1"})
"""Numbers of choices that cost no more than a form that names none."""
TOO_LARGE: Final = "RFC 9110 §15.5.14"
"""The clause by which a body that is larger than allowed is refused."""


class _Front:
    """What an upload is decided on: the fields of its form, as far as they stand before its files."""

    __slots__ = ("_grammar", "_most", "_nameless", "_seen", "form", "whole")

    def __init__(self, head: Head, route: RouteMatch, *, most: int) -> None:
        self.form = _form(head, route)
        self._grammar = bool(route.grammar)
        # A model that the path names is not looked for in the form.
        self._nameless = self._grammar and not route.model
        self._most = most
        self._seen = 0
        self.whole = False
        """Whether it has come."""

    def take(self, chunk: bytes) -> None:
        """Read the next bytes of the upload.

        Raises:
            WireError: the form is broken, or says late what it is judged by.
        """
        form = self.form
        if form is not None:
            known = len(form.fields)
            form.feed(chunk)
            if self.whole:
                self._refuse_late(form.fields[known:])
        if not self.whole:
            self._seen += len(chunk)
            self.whole = form is None or form.finished or self._enough(form)

    def _refuse_late(self, fields: list[tuple[str, str]]) -> None:
        # What is judged by us and served by the upstream must be one: nothing that decides comes later.
        for name, value in fields:
            if (name == "model" and self._nameless) or (
                name == "n" and self._grammar and value not in _SINGLE
            ):
                raise WireError(f"the form says {name} late or twice", clause="RFC 7578 §5.2")

    def _enough(self, form: FormReader) -> bool:
        if not self._nameless or any(name == "model" for name, _ in form.fields):
            return form.files > 0 or self._seen > _FORM_FRONT
        # Some callers put their file before the model: as much is held as of a body that is read whole.
        if self._seen > self._most:
            raise WireError("the form does not say its model before its files", clause="RFC 7578 §5.2")
        return False


class Intake:
    """The body of one request as it comes."""

    __slots__ = (
        "_chunked",
        "_chunks",
        "_front",
        "_held",
        "_limit",
        "_outgoing",
        "_read",
        "_span",
        "bytes",
        "complete",
        "flowing",
        "stalled",
    )

    def __init__(self, head: Head, route: RouteMatch, *, limit: int, held: int) -> None:
        """Prepare to take a body.

        Args:
            head: the request's.
            route: where it goes.
            limit: bytes of the body at most.
            held: bytes of an upload that are held at most until it can be decided on.

        Raises:
            WireError: the route takes a form, and this is none.
        """
        self._chunked = head.chunked
        self._front = _Front(head, route, most=held) if route.upload else None
        self._limit = limit
        self._read = bool(route.grammar)
        self._chunks: list[bytes] = []
        self._held = 0
        self._span: tuple[int, int] | None = None
        """When the span that is watched began, and what had come by then."""
        self._outgoing = -1
        """Bytes of the body that goes upstream in place of the caller's; -1 where that goes as it is."""
        self.bytes = 0
        self.complete = False
        """Whether the request has come whole."""
        self.flowing = False
        """Whether parts go upstream as they come."""
        self.stalled = False
        """Whether the caller is kept from sending, so that its silence is not its own."""

    def take(self, chunk: bytes) -> None:
        """Take the next bytes and hold them.

        Raises:
            WireError: the body is larger than allowed, or its form is broken.
        """
        self.bytes += len(chunk)
        if self.bytes > self._limit:
            raise WireError("the body is larger than allowed", clause=TOO_LARGE)
        if self._front is not None:
            self._front.take(chunk)
        self._chunks.append(chunk)
        self._held += len(chunk)

    def keeps_pace(self, now: int, *, span: int, least: int) -> bool:
        """Tell whether enough came in the span that ends now; a span in which it was stalled does not count.

        Args:
            now: as ``Clock.elapsed``.
            span: nanoseconds.
            least: bytes that must have come in it.
        """
        watched = self._span
        if watched is None or self.stalled:
            self._span = now, self.bytes
            return True
        began, had = watched
        if now - began < span:
            return True
        self._span = now, self.bytes
        return self.bytes - had >= least

    @property
    def decidable(self) -> bool:
        """Whether enough has come to decide on: all of a JSON body, the front of an upload."""
        return self.complete or (self._front is not None and self._front.whole)

    @property
    def brimming(self) -> bool:
        """Whether as much of an upload is held as there should be before any of it can be sent on."""
        return self._front is not None and self._held > _MOST_UNSENT

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The small form fields that have come."""
        form = self._front.form if self._front is not None else None
        return tuple(form.fields) if form is not None else ()

    def whole(self) -> bytes:
        """Return the body that was held; empty for an upload, which never is."""
        if self._front is not None:
            return b""
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def rewrite(self, body: bytes) -> None:
        """Let another body go upstream in place of the one that was held whole."""
        self._chunks, self._held, self._outgoing = [body], len(body), len(body)

    def framing(self, head: Head) -> bytes:
        """Return the header lines that say what the body is and frame it, or ask for the switch."""
        if head.upgrade:
            return b"connection: upgrade\r\nupgrade: %b\r\n" % head.upgrade
        if self._front is not None:
            if self._chunked:
                return _kind(head) + b"transfer-encoding: chunked\r\n"
            return _kind(head) + (b"content-length: %d\r\n" % head.length if head.length is not None else b"")
        # A held body is sent with its length, however it came. What was read as JSON must be read as JSON:
        # a form, or another charset, could say something else in the same bytes.
        if self._read and self.bytes:
            length = self.bytes if self._outgoing < 0 else self._outgoing
            return b"content-type: application/json\r\ncontent-length: %d\r\n" % length
        return _kind(head) + (
            b"content-length: %d\r\n" % self.bytes if self.bytes or head.length == 0 else b""
        )

    def drain(self) -> bytes:
        """Return what is held, and hold it no longer."""
        chunks, self._chunks, self._held = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def framed(self, data: bytes) -> bytes:
        """Return what was drained as it goes upstream."""
        if self._front is None or not self._chunked:
            return data
        framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return framed + LAST_CHUNK if self.complete else framed


def _kind(head: Head) -> bytes:
    return b"content-type: %b\r\n" % head.content_type if head.content_type else b""


def _form(head: Head, route: RouteMatch) -> FormReader | None:
    if is_form(head.content_type):
        return FormReader(head.content_type)
    if route.anything:
        return None
    # Read by no one here, it could name its model to the upstream alone.
    raise WireError("an upload must be multipart/form-data", clause="RFC 9110 §15.5.16")
