"""Uploaded forms, in any cut."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.exchange.form import MOST_FIELD_BYTES, FormReader
from chatelaine.model.error import WireError

TYPE = b'multipart/form-data; boundary="cut-here"'


def part(name: str, value: bytes, *, filename: str | None = None) -> bytes:
    extra = f'; filename="{filename}"' if filename is not None else ""
    head = f'--cut-here\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n'
    return head.encode() + b"\r\n" + value + b"\r\n"


FORM = (
    part("model", b"whisper-1") + part("file", b"\x00\r\n--cut\r\n" * 100, filename="a.wav") + part("n", b"2")
)
WHOLE = FORM + b"--cut-here--\r\n"


@given(st.lists(st.integers(1, len(WHOLE)), max_size=30))
def test_a_form_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    reader = FormReader(TYPE)
    edges = [0, *sorted(set(cuts)), len(WHOLE)]
    for start, end in pairwise(edges):
        reader.feed(WHOLE[start:end])
    assert reader.fields == [("model", "whisper-1"), ("n", "2")]
    assert reader.files == 1
    assert reader.finished


def test_a_form_reads_the_same_byte_by_byte() -> None:
    reader = FormReader(TYPE)
    for index in range(len(WHOLE)):
        reader.feed(WHOLE[index : index + 1])
    assert reader.fields == [("model", "whisper-1"), ("n", "2")]


def test_an_empty_field_is_empty() -> None:
    reader = FormReader(TYPE)
    reader.feed(part("model", b"") + b"--cut-here--\r\n")
    assert reader.fields == [("model", "")]


def test_a_large_field_is_passed_over() -> None:
    reader = FormReader(TYPE)
    reader.feed(part("prompt", b"x" * (MOST_FIELD_BYTES + 1)) + part("model", b"m") + b"--cut-here--\r\n")
    assert reader.fields == [("model", "m")]


@pytest.mark.parametrize("size", [MOST_FIELD_BYTES, MOST_FIELD_BYTES + 1])
def test_a_field_is_kept_whole_or_not_at_all_however_it_is_cut(size: int) -> None:
    reader = FormReader(TYPE)
    for byte in part("prompt", b"x" * size) + b"--cut-here--\r\n":
        reader.feed(bytes([byte]))
    assert reader.fields == ([("prompt", "x" * size)] if size == MOST_FIELD_BYTES else [])


def test_a_huge_file_is_read_in_bounded_memory() -> None:
    reader = FormReader(TYPE)
    reader.feed(part("file", b"", filename="big").removesuffix(b"\r\n"))
    for _ in range(200):
        reader.feed(b"\r\n--cut-her" * 10_000)
    assert len(reader._buffer) < 64


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=" + b"x" * 71,
        b"multipart/form-data; boundary=a; boundary=b",
        b"multipart/form-data; boundary=a; Boundary=a",
        b"multipart/form-data; boundary=a; boundary*=utf-8''b",
        b"multipart/form-data; boundary=a; boundary =b",
        b'multipart/form-data; boundary="a\\"b"',
        b'multipart/form-data; boundary="a;b"',
        b'multipart/form-data; boundary="a',
        b"multipart/form-data; boundary=a\xff",
        b'multipart/form-data; boundary="a "',
    ],
)
def test_a_form_without_a_usable_boundary_is_refused(content_type: bytes) -> None:
    with pytest.raises(WireError):
        FormReader(content_type)


def read_in_cuts(whole: bytes, cut: int) -> None:
    reader = FormReader(TYPE)
    for start in range(0, len(whole), cut):
        reader.feed(whole[start : start + cut])


FIELD = b'Content-Disposition: form-data; name="model"'
HIDDEN = FIELD + b"\r\n\r\nanother\r\n"
AMBIGUOUS = {
    "a delimiter behind a bare LF": part("file", b"x\n--cut-here\n" + HIDDEN, filename="f"),
    "a delimiter behind a bare CR": part("file", b"x\r--cut-here\r" + HIDDEN, filename="f"),
    "a delimiter before the form": b"x\n--cut-here\n" + HIDDEN,
    "a longer delimiter": b"--cut-hereafter\r\n" + HIDDEN,
    "a longer last delimiter": b"--cut-here--after\r\n",
    "a part behind the last one": b"--cut-here--\r\n--cut-here\r\n" + HIDDEN,
    "a part without a name": b"--cut-here\r\nContent-Disposition: form-data\r\n\r\nx\r\n",
    "a part without a disposition": b"--cut-here\r\nContent-Type: text/plain\r\n\r\nx\r\n",
    "a part without a head": b"--cut-here\r\n\r\nx\r\n",
    "another disposition": b'--cut-here\r\nContent-Disposition: attachment; name="model"\r\n\r\nx\r\n',
    "two dispositions": b"--cut-here\r\n" + FIELD + b"\r\n" + FIELD + b"\r\n\r\nx\r\n",
    "two names": b"--cut-here\r\n" + FIELD + b'; name="n"\r\n\r\nx\r\n',
    "an encoded name": b"--cut-here\r\n" + FIELD + b"; name*=utf-8''n\r\n\r\nx\r\n",
    "an escaped name": b"--cut-here\r\n" + FIELD.replace(b"mo", b"mo\\") + b"\r\n\r\nx\r\n",
    "a folded head": b"--cut-here\r\n" + FIELD.replace(b"; ", b";\r\n ") + b"\r\n\r\nx\r\n",
    "a space before a colon": b"--cut-here\r\n" + FIELD.replace(b":", b" :") + b"\r\n\r\nx\r\n",
    "a bare LF in a head": b"--cut-here\r\nX: y\n" + HIDDEN,
    "a value in an encoding": b"--cut-here\r\n"
    + FIELD
    + b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngpt=2D4\r\n",
    "a model that is a file": part("model", b"gpt-4", filename="x"),
    "a model that is a file by another name": b"--cut-here\r\n"
    + FIELD
    + b"; filename*=utf-8''x\r\n\r\nm\r\n",
    "a model in a long field": part("model", b"gpt-4" + b" " * MOST_FIELD_BYTES),
    "a broken disposition": b"--cut-here\r\n" + FIELD + b'; filename="x\r\n\r\nx\r\n',
}


@pytest.mark.parametrize("form", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_a_form_that_could_be_read_in_two_ways_is_refused_however_it_is_cut(form: bytes) -> None:
    whole = form + b"--cut-here--\r\n"
    for cut in (1, 7, len(whole)):
        with pytest.raises(WireError):
            read_in_cuts(whole, cut)


@pytest.mark.parametrize(
    "head",
    [
        FIELD,
        b"content-type: text/plain; charset=utf-8\r\n" + FIELD,
        FIELD + b"\r\nContent-Transfer-Encoding: binary\r\nContent-Length: 1",
        b"Content-Disposition: form-data; name=model",
        b'Content-Disposition: form-data;name="model"',
    ],
)
def test_a_field_is_read_as_the_usual_libraries_write_it(head: bytes) -> None:
    reader = FormReader(TYPE)
    reader.feed(b"--cut-here  \r\n" + head + b"\r\n\r\nm\r\n--cut-here-- \r\n")
    assert reader.fields == [("model", "m")]


@pytest.mark.parametrize(
    "name", [b'filename="a.wav"', b'filename="a;\\"b.wav"', b"filename=a.wav", b"filename*=utf-8''a%20b"]
)
def test_a_file_is_one_whatever_its_name(name: bytes) -> None:
    reader = FormReader(TYPE)
    reader.feed(b'--cut-here\r\nContent-Disposition: form-data; name="file"; ' + name + b"\r\n\r\nx")
    assert reader.files == 1


def test_what_looks_like_a_delimiter_within_a_line_is_part_of_the_file() -> None:
    reader = FormReader(TYPE)
    reader.feed(part("file", b"x --cut-here x" * 9, filename="f") + part("model", b"m") + b"--cut-here--")
    assert reader.fields == [("model", "m")]


def test_an_endless_part_head_is_refused() -> None:
    reader = FormReader(TYPE)
    with pytest.raises(WireError, match="head"):
        reader.feed(b"--cut-here\r\n" + b"x" * 20_000)


def test_too_many_fields_are_refused() -> None:
    reader = FormReader(TYPE)
    with pytest.raises(WireError, match="fields"):
        reader.feed(b"".join(part("a", b"b") for _ in range(100)))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(junk: bytes) -> None:
    reader = FormReader(TYPE)
    with suppress(WireError):
        reader.feed(b"--cut-here\r\n" + junk)
        reader.feed(b"\r\n--cut-here--")
    assert len(reader._buffer) <= len(junk) + 64
