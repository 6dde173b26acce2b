"""Owners' requests that containment refuses, by the simulator's truth: none where nobody stole anything."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from guarded_play import Tally, guarded

from chatelaine.core.play.benign import BENIGN
from chatelaine.core.play.stage import SCENARIOS

DAYS = 14
MOST_OF_STOLEN = 0.0005
"""The share of owners' requests on keys that were stolen, which may be refused."""
_LOUD = {"burst", "role_play", "proxy_resale"}
"""Tens of thousands of requests each, of one client on one key."""
THEFTS = tuple(one for one in SCENARIOS if one not in {*_LOUD, *BENIGN})


def tell(seed: int, tally: Tally) -> None:
    """Tell the figures, whether they are met or not."""
    refused = sum(tally.thieves_refused.values()) / max(sum(tally.thieves.values()), 1)
    sys.stderr.write(
        f"seed {seed}: {len(tally.owners)} keys, {sum(tally.owners.values())} requests of owners; refused: "
        f"{tally.share(stolen=False):.4%} on clean keys, {tally.share(stolen=True):.4%} on stolen ones, "
        f"{refused:.1%} of thieves' requests; {len(tally.false_alerts)} alerts to act upon on clean keys\n"
    )
    for cause, times in tally.causes.most_common(8):
        sys.stderr.write(f"  {times} {cause}\n")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_hard_days_of_owners_have_none_of_their_requests_refused(seed: int) -> None:
    named = ("shared_key", "red_team", "sdk_upgrade", "vpn_move", "serverless_egress", "retry_storm")
    played = asyncio.run(guarded(seed, days=DAYS, bystanders=0, scenarios=named))
    tell(seed, played.tally)
    assert sum(played.tally.owners.values()) > 5_000
    assert not played.tally.owners_refused


@pytest.mark.slow
def test_thieves_are_refused_and_the_owners_of_stolen_keys_are_not() -> None:
    named = ("slow_resale", "images", "probe_only", "after_revocation")
    tally = asyncio.run(guarded(5, days=10, bystanders=0, scenarios=named)).tally
    tell(5, tally)
    assert tally.share(stolen=True) <= MOST_OF_STOLEN
    # The slow reseller is held back only once the evidence on him is sure: it was 0.89 of all when written.
    assert sum(tally.thieves_refused.values()) > 0.8 * sum(tally.thieves.values())


@pytest.mark.soak
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_two_hundred_owners_and_every_scenario(seed: int) -> None:
    tally = asyncio.run(guarded(seed, days=DAYS, bystanders=200, scenarios=(*BENIGN, *THEFTS))).tally
    tell(seed, tally)
    assert len(tally.owners) >= 200
    assert tally.share(stolen=False) == 0
    assert tally.share(stolen=True) <= MOST_OF_STOLEN
