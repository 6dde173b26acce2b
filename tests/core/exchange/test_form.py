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
    ],
)
def test_a_form_without_a_usable_boundary_is_refused(content_type: bytes) -> None:
    with pytest.raises(WireError):
        FormReader(content_type)


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
