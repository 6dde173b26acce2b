"""Sightings for the tests of the detection room: an owner's, a thief's, and hostile ones."""

from collections.abc import Iterator

from hypothesis import strategies as st

from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.exchange import NetworkClass, Operation
from chatelaine.model.words import SECOND, ContextId, ExchangeId, Instant, KeyId, NanoUsd, OwnerId

DAY = 86_400 * SECOND
BEGIN = 20_000 * DAY

OWNER = Sighting(
    at=Instant(BEGIN),
    phase=Phase.WHOLE,
    exchange=ExchangeId("e"),
    key=KeyId("key000001"),
    owner=OwnerId("acme"),
    context=ContextId("00000000000000aa"),
    ip="192.0.2.7",
    prefix="192.0.2.0/24",
    asn=64500,
    country="DE",
    network=NetworkClass.HOSTING,
    ja4="t13d1516h2_8daaf6152771_02713d6af862",
    header_hash="a1b2c3d4e5f6",
    agent="OpenAI/Python 1.40.0",
    agent_family="openai-python",
    operation=Operation.CHAT,
    model="gpt-4o-mini",
    cap=512,
    end_user="user-1",
    system_hash="5" * 32,
    status=200,
    input_tokens=900,
    output_tokens=200,
    cost=NanoUsd(300_000),
)


def with_(sighting: Sighting, **changes: object) -> Sighting:
    """Return a sighting with some fields changed."""
    named = {field: getattr(sighting, field) for field in sighting.__struct_fields__}
    return Sighting(**{**named, **changes})


def of_owner(days: int, *, key: str = "key000001", owner: str = "acme", hours: int = 6) -> Iterator[Sighting]:
    """Yield an owner's requests, ten in each of some hours a day."""
    for day in range(days):
        for hour in range(hours):
            for number in range(10):
                at = BEGIN + day * DAY + (9 + hour) * 3600 * SECOND + number * 60 * SECOND
                yield with_(
                    OWNER,
                    at=at,
                    key=key,
                    owner=owner,
                    chain=f"{key}{day}{hour}{number // 5}",
                    input_tokens=700 + 60 * number,
                    output_tokens=150 + 20 * number,
                )


def of_thief(begun: int, requests: int, *, key: str = "key000001", owner: str = "acme") -> Iterator[Sighting]:
    """Yield a thief's requests from a host of his own: first a test of the key, then chats."""
    for number in range(requests):
        probe = number < 2
        yield with_(
            OWNER,
            at=begun + number * 30 * SECOND,
            key=key,
            owner=owner,
            context="00000000000000bb",
            ip="203.0.113.9",
            prefix="203.0.113.0/24",
            asn=64999,
            country="NL",
            network=NetworkClass.HOSTING | NetworkClass.VPN,
            ja4="t13d1517h1_5b57614c22b0_3d5424432f57",
            header_hash="ffffffffffff",
            agent="axios/1.7.4",
            agent_family="axios",
            operation=Operation.LIST if number == 0 else Operation.CHAT,
            model="o9-max",
            cap=-1 if probe else 4096,
            end_user="",
            stream=not probe,
            system_hash="" if probe else "9" * 32,
            chain=f"thief{number // 8}",
            status=400 if probe else 200,
            input_tokens=5 if probe else 9000,
            output_tokens=0 if probe else 700,
            cost=0 if probe else 400_000_000,
        )


texts = st.one_of(st.just(""), st.text(max_size=200), st.just("x" * 100_000), st.just("\ud800|\x00"))
whole = st.one_of(st.integers(0, 5), st.integers(-(2**70), 2**70))

hostile = st.builds(
    Sighting,
    at=st.integers(-(10**18), 10**20),
    phase=st.sampled_from(Phase),
    exchange=texts,
    key=st.sampled_from(["", "a", "b", "c"]),
    owner=st.sampled_from(["", "o"]),
    context=texts,
    ip=texts,
    prefix=texts,
    asn=whole,
    country=texts,
    network=st.sampled_from([NetworkClass.NONE, NetworkClass.TOR, NetworkClass(31)]),
    ja4=texts,
    header_hash=texts,
    agent=texts,
    agent_family=texts,
    operation=st.sampled_from(Operation),
    model=texts,
    stream=st.booleans(),
    cap=st.none() | whole,
    end_user=texts,
    system_hash=texts,
    chain=texts,
    parent_chain=texts,
    status=whole,
    blocked=st.booleans(),
    input_tokens=whole,
    output_tokens=whole,
    cost=whole,
)
