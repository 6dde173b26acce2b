"""Uploaded forms (RFC 7578), read as they pass: small fields are kept, files are not.

A form may name its model in a field, and a second field of that name would be read by some
upstreams and not by others; so the reader goes on to the end and reports what comes late.
What two readers could take for different forms is refused: a boundary told twice, a delimiter
behind a bare line feed, a part that is a field to one and a file to another.
"""

import re
from typing import Final

from chatelaine.model.error import WireError

MOST_FIELD_BYTES = 512
_MOST_FIELDS = 64
_MOST_HEAD = 8 * 1024
_DECISIVE: Final = frozenset({"model", "n", "stream"})
"""Fields by which an upload is judged."""

_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046 §5.1.1: one to seventy characters, the last of them no space."""
_HEADER: Final = re.compile(rb"([!-9;-~]+):([^\r\n\x00]*)")
_PARAMETER: Final = re.compile(
    rb"""[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^\s";]*)[ \t]*"""
)
_PLAIN_ENCODINGS: Final = frozenset({b"7bit", b"8bit", b"binary"})


class FormReader:
    """Reads a ``multipart/form-data`` body of any size in bounded memory."""

    __slots__ = ("_buffer", "_dashed", "_in_head", "_name", "_value", "fields", "files", "finished")

    def __init__(self, content_type: bytes) -> None:
        """Prepare to read a form.

        Raises:
            WireError: it is none, or does not say what stands between its parts.
        """
        self._dashed = b"--" + _boundary(content_type)
        # RFC 2046 §5.1.1: the first delimiter may stand without the CRLF before it.
        self._buffer = b"\r\n"
        self._in_head = False
        self._name: str | None = None
        self._value = b""
        self.fields: list[tuple[str, str]] = []
        """Small fields so far, in order."""
        self.files = 0
        """Parts so far that are files."""
        self.finished = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            WireError: a part's head is too large, there are too many fields, or it can be read in two ways.
        """
        self._buffer += data
        while not self.finished and self._advance():
            pass
        if self.finished:
            # RFC 2046 §5.1.1 has what follows ignored; who does not ignore it would read another form.
            if self._buffer.strip():
                raise WireError("something stands behind the form", clause="RFC 7578 §4.1")
            self._buffer = b""

    def _advance(self) -> bool:
        return self._read_part_head() if self._in_head else self._read_part_body()

    def _read_part_head(self) -> bool:
        if self._buffer.startswith(b"--"):
            self.finished = True
            self._buffer = self._buffer[2:]
            return False
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise WireError("a part of the form has too large a head", clause="RFC 7578 §4")
            return False
        head, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        self._in_head = False
        self._name = _field_name(_part_headers(head))
        if self._name is None:
            self.files += 1
        self._value = b""
        return True

    def _read_part_body(self) -> bool:
        at = self._find_delimiter()
        if at < 0:
            keep = len(self._dashed) + 1
            self._keep_value(self._buffer[:-keep])
            self._buffer = self._buffer[-keep:]
            return False
        self._keep_value(self._buffer[:at])
        self._buffer = self._buffer[at + 2 + len(self._dashed) :]
        self._close_part()
        self._in_head = True
        return True

    def _find_delimiter(self) -> int:
        """Return where the next delimiter begins, its CRLF included; -1 where there is none."""
        buffer, dashed = self._buffer, self._dashed
        at = buffer.find(dashed)
        while at >= 0:
            # What stands at the very front was looked at before, when more of it was there.
            if at > 1:
                if buffer[at - 2 : at] == b"\r\n":
                    return at - 2
                if buffer[at - 1] in b"\r\n":
                    raise WireError("a delimiter stands behind half a line end", clause="RFC 2046 §5.1.1")
            at = buffer.find(dashed, at + 1)
        return -1

    def _keep_value(self, data: bytes) -> None:
        # One byte more than a field may have, behind the line end before it, tells that it has more.
        if self._name is not None and len(self._value) < MOST_FIELD_BYTES + 3:
            self._value += data[: MOST_FIELD_BYTES + 3 - len(self._value)]

    def _close_part(self) -> None:
        if self._name is None:
            return
        if len(self.fields) >= _MOST_FIELDS:
            raise WireError("the form has too many fields", clause="RFC 7578 §4")
        value = self._value.removeprefix(b"\r\n")
        if len(value) <= MOST_FIELD_BYTES:
            self.fields.append((self._name, value.decode("utf-8", "replace")))
        elif self._name in _DECISIVE:
            raise WireError(f"the form's {self._name} is too long", clause="RFC 7578 §4.2")
        self._name = None


def is_form(content_type: bytes) -> bool:
    """Tell whether a body is a form, by its media type."""
    return content_type.partition(b";")[0].strip().lower() == b"multipart/form-data"


def _boundary(content_type: bytes) -> bytes:
    if not is_form(content_type):
        raise WireError("an upload must be multipart/form-data", clause="RFC 9110 §15.5.16")
    # No boundary holds a semicolon, so a plain split finds every parameter of that name.
    parameters = [parameter.strip().partition(b"=") for parameter in content_type.split(b";")[1:]]
    told = [value for name, _, value in parameters if name.rstrip().lower().startswith(b"boundary")]
    if len(told) == 1:
        boundary = told[0]
        if len(boundary) > 1 and boundary.startswith(b'"') and boundary.endswith(b'"'):
            boundary = boundary[1:-1]
        if _BOUNDARY.fullmatch(boundary) is not None:
            return boundary
    raise WireError("the form's boundary is missing, told twice, or not allowed", clause="RFC 2046 §5.1.1")


def _part_headers(head: bytes) -> dict[bytes, bytes]:
    """Return the headers of a part; the first line is what stands behind its delimiter."""
    padding, *lines = head.split(b"\r\n")
    if padding.strip(b" \t"):
        raise WireError("something stands behind a delimiter", clause="RFC 2046 §5.1.1")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        read = _HEADER.fullmatch(line)
        name = read[1].lower() if read is not None else b""
        if read is None or name in headers:
            raise WireError("a part of the form has a broken head", clause="RFC 7578 §4.2")
        headers[name] = read[2].strip()
    return headers


def _field_name(headers: dict[bytes, bytes]) -> str | None:
    """Return the name of a plain field; None for a file."""
    # RFC 7578 §4.7 has no encodings; a reader that knows them would read another value.
    if headers.get(b"content-transfer-encoding", b"binary").lower() not in _PLAIN_ENCODINGS:
        raise WireError("a part of the form is encoded", clause="RFC 7578 §4.7")
    parameters = _parameters(headers.get(b"content-disposition", b""))
    raw = parameters.get(b"name")
    if raw is None or b"\\" in raw or b"name*" in parameters:
        raise WireError("a part of the form has no plain name", clause="RFC 7578 §4.2")
    name = raw.decode("utf-8", "replace")
    if b"filename" not in parameters and b"filename*" not in parameters:
        return name
    if name in _DECISIVE:
        raise WireError(f"the form's {name} is a file", clause="RFC 7578 §4.2")
    return None


def _parameters(disposition: bytes) -> dict[bytes, bytes]:
    kind, mark, _ = disposition.partition(b";")
    if kind.strip().lower() != b"form-data" or not mark:
        raise WireError("a part of the form is not form data", clause="RFC 7578 §4.2")
    found: dict[bytes, bytes] = {}
    at = len(kind)
    while at < len(disposition):
        read = _PARAMETER.match(disposition, at)
        name = read[1].lower() if read is not None else b""
        if read is None or name in found:
            raise WireError("a part of the form has a broken disposition", clause="RFC 7578 §4.2")
        found[name] = read[2].strip(b'"')
        at = read.end()
    return found
