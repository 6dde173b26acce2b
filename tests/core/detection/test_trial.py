"""Vectors of detections: a line can be said many times, and happens when its offset says."""

import pytest

from chatelaine.core.detection.trial import read_sightings
from chatelaine.core.vector import VectorBroken
from chatelaine.model.words import SECOND


def test_a_line_is_said_as_often_as_its_offset_says() -> None:
    assert read_sightings("+1s*3/2s key=k chain=c{n}") == [
        (1 * SECOND, {"key": "k", "chain": "c0"}),
        (3 * SECOND, {"key": "k", "chain": "c1"}),
        (5 * SECOND, {"key": "k", "chain": "c2"}),
    ]


def test_lines_happen_in_the_order_of_their_offsets() -> None:
    part = "+0s*2/10s key=a\n\n# a remark\n+5s key=b\n+10s key=c"
    assert [fields["key"] for _, fields in read_sightings(part)] == ["a", "b", "a", "c"]


@pytest.mark.parametrize(
    "line",
    [
        "+0s*0/1s key=k",
        "+0s*x/1s key=k",
        "+0s*9 key=k",
        "+0s*3/x key=k",
        "+0s*99999/1s key=k",
        "0s key=k",
        "+s key=k",
    ],
)
def test_an_offset_that_cannot_be_read_is_a_fault(line: str) -> None:
    with pytest.raises(VectorBroken):
        read_sightings(line)
