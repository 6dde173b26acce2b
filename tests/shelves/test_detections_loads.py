"""Loads that look like theft and are none, and a theft that looks like load, before all items together."""

from collections.abc import Iterator

import pytest

from chatelaine import catalog
from chatelaine.core.context import context_id
from chatelaine.core.detection.trial import watch_all
from chatelaine.core.key.habit import Habit
from chatelaine.core.vector import read_parts
from chatelaine.model.detection import Finding, Severity

DETECTIONS = catalog.detections()
SHOP = (
    "days=20 a_day=240 from_hour=6 to_hour=20 key=k1 owner=acme ip=198.51.100.7 asn=64500 country=DE "
    "agent='OpenAI/Python 2.1' ja4=a header_hash=b header_names=Host,Accept,User-Agent,Authorization model=m "
    "operation=chat cap=800 input_tokens=900 output_tokens=200 cost=3000000 system_hash=s status=200"
)
DESK = (
    "days=20 a_day=48 key=k2 owner=zeta ip=192.0.2.40 asn=64501 country=FR agent=desk/2 ja4=c header_hash=d "
    "header_names=Host,Accept,User-Agent,Authorization model=m operation=chat cap=500 input_tokens=400 "
    "output_tokens=100 cost=1000000 system_hash=z status=200"
)
LOADS = {
    "a batch that embeds everything anew": """
        +0s*900/1s key=k1 operation=embedding model=e input_tokens=9{n} cost=200000 body_hash=b{n}""",
    "a storm of retries with identical bodies": """
        +0s*120/1s key=k1 status=503 body_hash=same chain=c
        +120s*5/1s key=k1 status=200 body_hash=same chain=c""",
    "the day of the next model": """
        +0s key=k1 model=m-2 input_tokens=12 cap=5
        +1h*150/60s key=k1 model=m-2 chain=c{n} body_hash=b{n} input_tokens=9{n}""",
    "a launch": """
        +0s*900/4s key=k1 chain=c{n} body_hash=b{n} input_tokens=8{n}""",
    "a red team in the office": """
        +0s*40/20s key=k1 blocked=yes status=400 body_hash=b{n}
        +10s*40/20s key=k1 body_hash=c{n}""",
    "a move to another network": """
        +0s*200/60s key=k1 ip=203.0.113.7 asn=64512 body_hash=b{n} input_tokens=9{n}""",
    "a job that is moved to the night": """
        +6h*40/180s key=k1 chain=c{n}""",
    "a release that streams": """
        +0s*120/30s key=k1 stream=yes body_hash=b{n} input_tokens=9{n}""",
    "a load test with one body": """
        +0s*400/1s key=k1 body_hash=same""",
    "two owners who greet alike": """
        +0s*5/9s key=k1 chain=hello messages=1
        +4s*5/9s key=k2 chain=hello messages=1
        +60s*5/9s key=k1 chain=a{n} parent_chain=hello messages=3
        +64s*5/9s key=k2 chain=b{n} parent_chain=hello messages=3""",
}
THIEF = "ip=203.0.113.9 asn=64599 country=NL network=1 agent=axios/1.7 ja4=x header_hash=y"
BURST = f"{THIEF} model=big stream=yes system_hash=p{{n}} cap=400 input_tokens=60000 cost=300000000"
RESALE = f"""
    +0s key=k1 {THIEF} model=big input_tokens=9 cap=5
    +1h*30/40s key=k1 {BURST} chain=a{{n}}
    +3610s*30/40s key=k2 {BURST} parent_chain=a{{n}} chain=b{{n}}
    +1h*30/60s key=k1 chain=c{{n}} input_tokens=9{{n}}"""


def found_in(sightings: str) -> Iterator[Finding]:
    parts = read_parts(f"=== habit 1\n{SHOP}\n=== habit 2\n{DESK}\n=== sightings\n{sightings}")
    return watch_all(DETECTIONS, parts, Habit)


def strong(found: list[Finding]) -> dict[str, set[str]]:
    """Return what is medium or worse, by family."""
    kept = [one for one in found if one.severity >= Severity.MEDIUM]
    return {one.family: {two.detection for two in kept if two.family is one.family} for one in kept}


@pytest.mark.parametrize("load", LOADS)
def test_under_no_harmless_load_do_two_families_agree_or_does_one_act_alone(load: str) -> None:
    found = list(found_in(LOADS[load]))
    assert not [one.detection for one in found if one.certain]
    assert len(strong(found)) <= 1, strong(found)


def test_resale_over_two_owners_keys_is_seen_from_all_sides() -> None:
    found = list(found_in(RESALE))
    assert {one.detection for one in found if one.certain} == {"actor_conversation_hops"}
    assert {one.key for one in found if one.certain} == {"k2"}
    assert set(strong(found)) >= {"network", "behaviour", "economics"}
    owners = context_id("198.51.100.0/24", "a", "b")
    assert [one for one in found if one.severity >= Severity.MEDIUM and one.context == owners] == []
