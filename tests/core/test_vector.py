"""Vectors of shelf items: their parts, their messages, and what is wrong with them."""

import pytest

from chatelaine.core.vector import VectorBroken, read_message, read_parts, read_table


def test_parts_are_told_apart_and_remarks_left_out() -> None:
    text = "A remark.\n=== request\nGET /\n\nbody\n\n\n=== asked\na = 1\n"
    assert read_parts(text) == {"request": "GET /\n\nbody\n\n", "asked": "a = 1"}


@pytest.mark.parametrize("text", ["", "no part", "=== a\n=== a\n"])
def test_a_vector_without_parts_or_with_one_twice_is_broken(text: str) -> None:
    with pytest.raises(VectorBroken):
        read_parts(text)


def test_a_message_has_a_first_line_headers_and_a_body() -> None:
    message = read_message("POST /a\nContent-Type: x\napi-key:y\n\na\n\nb")
    assert message == ("POST /a", {"content-type": "x", "api-key": "y"}, b"a\n\nb")
    assert read_message("GET /a\n") == ("GET /a", {}, b"")


def test_a_body_may_be_base64() -> None:
    assert read_message("\nx-vector-encoding: base64\n\nAP\n8=").body == b"\x00\xff"


@pytest.mark.parametrize("part", ["GET /\nno colon", "\nx-vector-encoding: base64\n\n***"])
def test_a_message_that_cannot_be_read_is_broken(part: str) -> None:
    with pytest.raises(VectorBroken):
        read_message(part)


def test_a_table_is_toml() -> None:
    assert read_table("a = [1]\nb = {c = true}") == {"a": [1], "b": {"c": True}}
    with pytest.raises(VectorBroken):
        read_table("a =")
