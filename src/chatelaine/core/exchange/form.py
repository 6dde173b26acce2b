"""Uploaded forms (RFC 7578), read as they pass: small fields are kept, files are not.

A form may name its model in a field, and a second field of that name would be read by some
upstreams and not by others; so the reader goes on to the end and reports what comes late.
"""

from chatelaine.model.error import WireError

MOST_FIELD_BYTES = 512
_MOST_FIELDS = 64
_MOST_HEAD = 8 * 1024
_MOST_BOUNDARY = 70


class FormReader:
    """Reads a ``multipart/form-data`` body of any size in bounded memory."""

    __slots__ = ("_buffer", "_delimiter", "_in_head", "_name", "_value", "fields", "files", "finished")

    def __init__(self, content_type: bytes) -> None:
        self._delimiter = b"\r\n--" + _boundary(content_type)
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
            WireError: a part's head is too large, or there are too many fields.
        """
        if self.finished:
            return
        self._buffer += data
        while self._advance():
            pass

    def _advance(self) -> bool:
        return self._read_part_head() if self._in_head else self._read_part_body()

    def _read_part_head(self) -> bool:
        if self._buffer.startswith(b"--"):
            self.finished = True
            self._buffer = b""
            return False
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise WireError("a part of the form has too large a head", clause="RFC 7578 §4")
            return False
        head, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        self._in_head = False
        self._name = _field_name(head)
        if self._name is None:
            self.files += 1
        self._value = b""
        return True

    def _read_part_body(self) -> bool:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            keep = len(self._delimiter) - 1
            self._keep_value(self._buffer[:-keep])
            self._buffer = self._buffer[-keep:]
            return False
        self._keep_value(self._buffer[:at])
        self._buffer = self._buffer[at + len(self._delimiter) :]
        self._close_part()
        self._in_head = True
        return True

    def _keep_value(self, data: bytes) -> None:
        if self._name is not None and len(self._value) <= MOST_FIELD_BYTES:
            self._value += data[: MOST_FIELD_BYTES + 3 - len(self._value)]

    def _close_part(self) -> None:
        if self._name is None:
            return
        if len(self.fields) >= _MOST_FIELDS:
            raise WireError("the form has too many fields", clause="RFC 7578 §4")
        value = self._value.removeprefix(b"\r\n")
        if len(value) <= MOST_FIELD_BYTES:
            self.fields.append((self._name, value.decode("utf-8", "replace")))
        self._name = None


def is_form(content_type: bytes) -> bool:
    """Tell whether a body is a form, by its media type."""
    return content_type.partition(b";")[0].strip().lower() == b"multipart/form-data"


def _boundary(content_type: bytes) -> bytes:
    if not is_form(content_type):
        raise WireError("an upload must be multipart/form-data", clause="RFC 9110 §15.5.16")
    _, _, parameters = content_type.partition(b";")
    for parameter in parameters.split(b";"):
        name, _, value = parameter.strip().partition(b"=")
        if name.lower() == b"boundary":
            boundary = value.strip(b'"')
            # RFC 2046 §5.1.1: one to seventy characters.
            if 0 < len(boundary) <= _MOST_BOUNDARY:
                return boundary
    raise WireError("the form's boundary is missing or too long", clause="RFC 2046 §5.1.1")


def _field_name(head: bytes) -> str | None:
    """Return the name of a plain field; None for a file."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            fields = dict(_parameters(value))
            if b"filename" in fields or b"filename*" in fields:
                return None
            return fields.get(b"name", b"").decode("utf-8", "replace")
    return None


def _parameters(value: bytes) -> list[tuple[bytes, bytes]]:
    pairs = []
    for parameter in value.split(b";")[1:]:
        name, _, text = parameter.strip().partition(b"=")
        pairs.append((name.lower(), text.strip(b'"')))
    return pairs
