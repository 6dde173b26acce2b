"""The watch: links over all keys are asked, and hold over a restart."""

from chatelaine import catalog
from chatelaine.model.detection import Finding, Phase, Sighting
from chatelaine.model.words import SECOND, ContextId, ExchangeId, Instant, KeyId, OwnerId
from chatelaine.services.detection import Turn, Watch

HOPS = [one for one in catalog.detections() if one.card.id == "actor_conversation_hops"]
OWNERS = ["acme", "zeta", "acme", "zeta"]


def turn(number: int) -> Sighting:
    return Sighting(
        at=Instant((1_790_000_000 + number) * SECOND),
        phase=Phase.WHOLE,
        exchange=ExchangeId(f"e{number}"),
        key=KeyId(f"key-of-{OWNERS[number]}"),
        owner=OwnerId(OWNERS[number]),
        context=ContextId("c"),
        system_hash="s",
        messages=2 * number + 2,
        chain=f"t{number}",
        parent_chain=f"t{number - 1}" if number else "",
        status=200,
    )


def found_by(watch: Watch, numbers: range) -> list[Finding]:
    shown = Turn()
    for number in numbers:
        watch.see(turn(number), shown)
    return shown.findings


def test_a_conversation_that_hops_between_owners_is_found() -> None:
    found = found_by(Watch(HOPS), range(3))
    assert [(one.key, one.certain) for one in found] == [("key-of-acme", True)]


def test_a_watch_that_comes_back_finds_what_it_would_have_found() -> None:
    whole, before, after = Watch(HOPS), Watch(HOPS), Watch(HOPS)
    expected = found_by(whole, range(4))
    found = found_by(before, range(2))
    after.restore(list(before.changed()))
    assert found + found_by(after, range(2, 4)) == expected
    assert expected
