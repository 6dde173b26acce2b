"""JSON edited in place: what is wanted changes, and every other byte stays."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.grammar.edit import find_members, put, put_first, put_item_first, value_of
from chatelaine.model.error import BodyUnreadable

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=8), plain, max_size=6)
STYLES: list[dict[str, Any]] = [
    {"separators": (",", ":")},
    {"indent": 2},
    {"ensure_ascii": False, "separators": (" , ", " : ")},
]


@given(objects, st.sampled_from(STYLES))
def test_members_are_found_where_they_stand_however_it_is_written(
    held: dict[str, Any], style: dict[str, Any]
) -> None:
    raw = json.dumps(held, **style).encode()
    assert {member.name: json.loads(raw[member.start : member.end]) for member in find_members(raw)} == held


@given(objects, st.sampled_from(STYLES), st.text(max_size=8), st.integers(0, 99))
def test_a_member_put_in_is_read_back_and_nothing_else_changes(
    held: dict[str, Any], style: dict[str, Any], name: str, value: int
) -> None:
    raw = json.dumps(held, **style).encode()
    changed = put(raw, name, b"%d" % value)
    assert json.loads(changed) == held | {name: value}
    told = value_of(raw, name)
    if told is None:
        added = msgspec.json.encode(name) + b":%d" % value
        assert changed.replace(added, b"", 1).replace(b"{,", b"{", 1) == raw
    else:
        assert len(changed) == len(raw) - len(told) + len(b"%d" % value)


def test_a_member_before_all_others_leaves_the_rest_byte_for_byte() -> None:
    assert put_first(b' {\n "a" : [1,\t2] }\n', "u", b'"x"') == b' {"u":"x",\n "a" : [1,\t2] }\n'
    assert put_first(b"{ }", "u", b"1") == b'{"u":1 }'


def test_an_item_before_all_others_leaves_the_rest_byte_for_byte() -> None:
    assert put_item_first(b'[ {"a":1} ]', b"0") == b'[0, {"a":1} ]'
    assert put_item_first(b"[]", b"0") == b"[0]"


def test_a_name_in_escapes_is_one_and_the_same() -> None:
    assert value_of(b'{"\\u0061":7}', "a") == b"7"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":2,"a":1}',
        b'{"a":1,"b":2,"a":22}',
        b'{"a":"x","\\u0061":"x"}',
        b"[]",
        b"",
        b"7",
        b'{"a":',
        b"\xff",
    ],
)
def test_what_is_no_object_or_can_be_read_in_two_ways_is_not_edited(raw: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        put(raw, "b", b"1")


def test_a_large_value_is_stepped_over() -> None:
    raw = b'{"messages":["' + b'x\\"' * 1_000_000 + b'"],"model":"m"}'
    assert put(raw, "model", b'"n"') == raw.replace(b'"model":"m"', b'"model":"n"')
