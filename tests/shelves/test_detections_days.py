"""Days that look like theft and are none, and one that is: all items of this half look at them together."""

from collections.abc import Iterator

import pytest

from chatelaine import catalog
from chatelaine.core.detection import trial
from chatelaine.core.key.habit import Habit
from chatelaine.core.vector import read_parts
from chatelaine.model.detection import Finding, Severity

FIRST_HALF = {f"D{row:02}" for row in range(1, 25)}
DETECTIONS = [one for one in catalog.detections() if set(one.card.covers) & FIRST_HALF]
HABIT = (
    "days=5 a_day=24 key=k1 owner=acme ip=198.51.100.7 asn=64500 country=DE agent='OpenAI/Python 2.1' ja4=a "
    "header_hash=b header_names=Host,Accept,User-Agent,Authorization model=m operation=chat cap=500 "
    "input_tokens=900 output_tokens=200 system_hash=s api_version=2024-10-21 body_hash=x chain=c"
)
CI = (
    "days=5 a_day=12 key=k1 owner=acme ip=203.0.113.4 asn=64510 network=9 agent='OpenAI/Python 2.1' "
    "ja4=a header_hash=b"
)
LAPTOP = "days=5 a_day=12 key=k1 owner=acme ip=192.0.2.4 asn=64511 agent=curl/8.5 ja4=e header_hash=f"
DAYS = {
    "an SDK upgrade on all machines": """
        +0s key=k1 agent='OpenAI/Python 3.0' ja4=a3 header_hash=b3
        +5s key=k1 ip=198.51.100.8 agent='OpenAI/Python 3.0' ja4=a3 header_hash=b3
        +9s key=k1 agent='AsyncOpenAI/Python 3.0' ja4=a3 header_hash=b4""",
    "elastic egress of a cloud": """
        +0h key=k1 ip=198.51.101.7
        +1h key=k1 ip=198.51.102.7
        +2h key=k1 ip=198.51.103.7
        +3h key=k1 ip=198.51.104.7
        +4h key=k1 ip=198.51.105.7
        +5h key=k1 ip=198.51.106.7
        +6h key=k1 ip=198.51.107.7""",
    "a company that takes up a VPN": """
        +0m key=k1 ip=203.0.113.77 asn=64599 network=2 country=NL
        +1m key=k1 ip=203.0.114.78 asn=64599 network=2 country=NL
        +9m key=k1 ip=203.0.113.79 asn=64599 network=2 country=NL""",
    "a colleague's first day, with another program": """
        +0m key=k1 ip=192.0.2.99 asn=64580 agent=insomnia/9 ja4=q header_hash=r input_tokens=300
        +5m key=k1 ip=192.0.2.99 asn=64580 agent=insomnia/9 ja4=q header_hash=r input_tokens=400""",
    "the day of new models": """
        +0m key=k1 model=m-2 input_tokens=20 chain=q
        +1m key=k1 model=m-2-mini input_tokens=20 chain=q
        +2m key=k1 model=m-2-large input_tokens=20 chain=q
        +3m key=k1 operation=list route=/v1/models
        +4m key=k1 operation=list route=/v1/files
        +5m key=k1 operation=list route=/v1/batches""",
    "a batch that embeds everything anew": """
        +0s key=k1 operation=embedding model=e cap=1 system_hash= api_version=2025-01-01 input_tokens=8000
        +1s key=k1 operation=embedding model=e system_hash= api_version=2025-01-01 input_tokens=8000
        +2s key=k1 operation=embedding model=e system_hash= api_version=2025-01-01 input_tokens=8000""",
    "a storm of retries": """
        +0s key=k1 status=400
        +1s key=k1 status=400
        +2s key=k1 status=429
        +3s key=k1 status=500
        +4s key=k1 status=400
        +5s key=k1 status=400""",
    "a new health check on the owner's network": """
        +0h key=k1 agent=probe/1 ja4=p header_hash=p cap=1 input_tokens=12
        +1h key=k1 agent=probe/1 ja4=p header_hash=p cap=1 input_tokens=12
        +2h key=k1 agent=probe/1 ja4=p header_hash=p cap=1 input_tokens=12
        +3h key=k1 agent=probe/1 ja4=p header_hash=p cap=1 input_tokens=12
        +4h key=k1 agent=probe/1 ja4=p header_hash=p cap=1 input_tokens=12""",
    "a release with many new prompts": """
        +0m key=k1 system_hash=n1
        +1m key=k1 system_hash=n2
        +2m key=k1 system_hash=n3
        +3m key=k1 system_hash=n4
        +4m key=k1 system_hash=n5
        +5m key=k1 system_hash=n6""",
}
SHARED = """
    +0s key=k1
    +1s key=k1 ip=203.0.113.4 asn=64510 network=9
    +2s key=k1 ip=192.0.2.4 asn=64511 agent=curl/8.5 ja4=e header_hash=f
    +3s key=k1 ip=203.0.113.90 asn=64510 network=9"""
THIEF = "key=k1 ip=203.0.113.9 asn=64599 country=FR network=1 ja4=x"
CHECK = "cap=1 empty=yes input_tokens=20 api_version=2023-09-01-preview"
THEFT = f"""
    +0m {THIEF} agent= header_hash=y header_names=host,api-key {CHECK}
    +1m {THIEF} agent=axios/1.7 header_hash=z operation=list route=/v1/models
    +2m {THIEF} agent=axios/1.7 header_hash=z model=m-huge system_hash=p1"""


def found_in(sightings: str, *habits: str) -> Iterator[Finding]:
    lives = "".join(f"=== habit {number}\n{habit}\n" for number, habit in enumerate(habits, 1))
    parts = read_parts(f"{lives}=== sightings\n{sightings}")
    for one in DETECTIONS:
        yield from trial._watch(one, parts, Habit)


def strong(found: list[Finding]) -> dict[str, list[str]]:
    """Return what is medium or worse, by family."""
    kept = [one for one in found if one.severity >= Severity.MEDIUM]
    return {one.family: [two.detection for two in kept if two.family is one.family] for one in kept}


@pytest.mark.parametrize("day", DAYS)
def test_on_no_harmless_day_do_two_families_agree_or_does_one_act_alone(day: str) -> None:
    found = list(found_in(DAYS[day], HABIT))
    assert not [one.detection for one in found if one.certain]
    assert len(strong(found)) <= 1, strong(found)


def test_a_key_that_is_shared_by_pipeline_production_and_laptop_is_left_in_peace() -> None:
    assert list(found_in(SHARED, HABIT, CI, LAPTOP)) == []


def test_a_theft_is_seen_by_three_families_and_by_one_that_acts_alone() -> None:
    found = list(found_in(THEFT, HABIT))
    assert {one.detection for one in found if one.certain} == {"key_liveness_probe"}
    assert set(strong(found)) >= {"network", "client", "behaviour"}
