"""What a sighting shows of its client at a glance, whatever the habit of its key."""

import pytest
from msgspec.structs import replace

from chatelaine.core.detection.run import place_of
from chatelaine.core.detection.scene import traits_of
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Group, Phase, Sighting, Trait
from chatelaine.model.exchange import NetworkClass
from chatelaine.model.words import ExchangeId, Instant

PLAIN = Sighting(at=Instant(1), phase=Phase.WHOLE, exchange=ExchangeId("0" * 24), agent_family="axios")
SHOWN = Trait.ANONYMOUS | Trait.BROWSER | Trait.RESIDUE


@pytest.mark.parametrize(
    ("changes", "trait"),
    [
        ({"network": NetworkClass.TOR}, Trait.ANONYMOUS),
        ({"network": NetworkClass.VPN | NetworkClass.HOSTING}, Trait.ANONYMOUS),
        ({"network": NetworkClass.PROXY}, Trait.ANONYMOUS),
        ({"agent_family": "mozilla"}, Trait.BROWSER),
        ({"sdk": (("origin", ""), ("x-app", "a"), ("referer", ""))}, Trait.RESIDUE),
    ],
)
def test_each_shape_has_its_trait_as_long_as_it_begins(changes: dict[str, object], trait: Trait) -> None:
    assert traits_of(replace(PLAIN, **changes), Habit()) & SHOWN == trait
    assert not traits_of(replace(PLAIN, phase=Phase.ENDED, **changes), Habit()) & SHOWN


@pytest.mark.parametrize(
    "changes",
    [
        {"network": NetworkClass.HOSTING | NetworkClass.BIG_CLOUD},
        {"agent_family": "mozillaish"},
        {"sdk": (("origin", ""),)},
        {"sdk": (("origin", "https://a.example"), ("referer", ""))},
    ],
)
def test_what_only_resembles_a_shape_has_no_trait(changes: dict[str, object]) -> None:
    assert not traits_of(replace(PLAIN, **changes), Habit()) & SHOWN


def test_an_origin_is_one_whatever_headers_it_sends() -> None:
    place = list(Group).index(Group.ORIGIN)
    seen = replace(PLAIN, prefix="203.0.113.0/24", ja4="t13", header_hash="a")
    group = place_of(place, seen)
    assert group == place_of(place, replace(seen, header_hash="b", agent="other"))
    assert group != place_of(place, replace(seen, ja4="t12"))
