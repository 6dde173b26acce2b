"""The roster and what it makes of tokens."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from chatelaine.core.key.identify import identify
from chatelaine.core.key.roster import Roster
from chatelaine.core.key.token import Peppers, mint, new_kid
from chatelaine.model.exchange import Caller
from chatelaine.model.key import Grant, Identity, KeyState, Standing, VirtualKey
from chatelaine.model.words import Instant, KeyId

Make = Callable[..., tuple[VirtualKey, bytes]]

NOW = Instant(1_000)


@pytest.fixture
def roster(peppers: Peppers) -> Roster:
    return Roster(peppers)


def test_the_right_token_is_good_and_names_its_key(roster: Roster, make: Make) -> None:
    key, token = make()
    roster.replace_all([key])
    assert identify(token, roster, NOW) == Identity(Standing.GOOD, key, key.id)


def test_a_token_under_an_older_pepper_is_good(roster: Roster, make: Make) -> None:
    key, token = make(pepper="old")
    roster.replace_all([key])
    assert identify(token, roster, NOW).standing is Standing.GOOD


def test_a_key_whose_pepper_is_gone_proves_nothing_and_is_listed(roster: Roster, make: Make) -> None:
    key, token = make(pepper="lost")
    roster.replace_all([key])
    assert identify(token, roster, NOW) == Identity(Standing.UNPROVEN, None, key.id)
    assert roster.unverifiable() == {key.id}


def test_no_token_is_missing(roster: Roster) -> None:
    assert identify(None, roster, NOW) == Identity(Standing.MISSING)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"sk-proj-1234",
        b"chln_live_AbCdEfGhI",
        b"\xff" * 70,
        b"x" * 60_000,
        b"chln_live_AbCdEfGhI_" + b"-" * 49,
    ],
)
def test_what_has_not_the_shape_of_a_token_proves_nothing(roster: Roster, make: Make, token: bytes) -> None:
    roster.replace_all([make()[0]])
    assert identify(token, roster, NOW) == Identity(Standing.UNPROVEN)


def test_an_unknown_kid_and_a_wrong_secret_are_one_miss_that_names_the_kid(
    roster: Roster, make: Make
) -> None:
    key, _ = make()
    roster.replace_all([key])
    stranger = mint("live", KeyId("ZZZZZZZZZ"), bytes(32)).encode()
    forged = mint("live", key.id, b"t" * 32).encode()
    assert identify(stranger, roster, NOW) == Identity(Standing.UNPROVEN, None, KeyId("ZZZZZZZZZ"))
    assert identify(forged, roster, NOW) == Identity(Standing.UNPROVEN, None, key.id)


def test_the_right_secret_under_another_environment_proves_nothing(roster: Roster, make: Make) -> None:
    key, _ = make(secret=b"s" * 32)
    roster.replace_all([key])
    assert identify(mint("test", key.id, b"s" * 32).encode(), roster, NOW).standing is Standing.UNPROVEN


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (KeyState.ISSUED, Standing.GOOD),
        (KeyState.ACTIVE, Standing.GOOD),
        (KeyState.ROTATED, Standing.GOOD),
        (KeyState.SUSPENDED, Standing.SUSPENDED),
        (KeyState.COMPROMISED, Standing.REVOKED),
        (KeyState.REVOKED, Standing.REVOKED),
        (KeyState.EXPIRED, Standing.EXPIRED),
    ],
)
def test_each_state_has_its_standing(roster: Roster, make: Make, state: KeyState, standing: Standing) -> None:
    key, token = make(state=state)
    roster.replace_all([key])
    assert identify(token, roster, NOW) == Identity(standing, key, key.id)


@pytest.mark.parametrize("field", ["expires_at", "retires_at"])
def test_a_key_whose_time_is_up_is_expired_before_it_is_swept(roster: Roster, make: Make, field: str) -> None:
    key, token = make(**{field: NOW})
    roster.replace_all([key])
    assert identify(token, roster, Instant(NOW - 1)).standing is Standing.GOOD
    assert identify(token, roster, NOW).standing is Standing.EXPIRED


@pytest.mark.parametrize("state", [KeyState.SUSPENDED, KeyState.REVOKED, KeyState.COMPROMISED])
def test_a_stopped_key_keeps_its_standing_after_its_time(roster: Roster, make: Make, state: KeyState) -> None:
    key, token = make(state=state, expires_at=NOW)
    roster.replace_all([key])
    assert identify(token, roster, Instant(NOW + 1)) == identify(token, roster, Instant(0))


def test_the_entry_holds_what_a_request_needs(roster: Roster, make: Make) -> None:
    key, _ = make(grant=Grant(models=("m",), parallel=3))
    roster.replace_all([key])
    entry = roster.entry(key.id)
    assert entry.caller == Caller(key.id, key.owner, key.app)
    assert entry.allowance.parallel == 3
    assert entry.grant.models == {"m"}
    assert roster.entry(KeyId("ZZZZZZZZZ")) is None


def test_a_change_tells_which_keys_stopped_working(roster: Roster, make: Make) -> None:
    one, token = make("AAAAAAAAA")
    two, _ = make("BBBBBBBBB")
    assert roster.change([one, two]) == frozenset()
    suspended = replace(one, state=KeyState.SUSPENDED)
    assert roster.change([suspended, replace(two, reason="renamed")]) == {one.id}
    assert identify(token, roster, NOW).standing is Standing.SUSPENDED
    assert roster.change([suspended]) == frozenset()
    assert roster.change([one]) == frozenset()
    assert identify(token, roster, NOW).standing is Standing.GOOD


def test_a_replaced_roster_tells_which_keys_stopped_working(roster: Roster, make: Make) -> None:
    one, token = make("AAAAAAAAA")
    two, _ = make("BBBBBBBBB")
    three, _ = make("CCCCCCCCC", state=KeyState.REVOKED)
    roster.replace_all([one, two, three])
    assert roster.replace_all([replace(two, state=KeyState.EXPIRED)]) == {one.id, two.id}
    assert identify(token, roster, NOW).standing is Standing.UNPROVEN
    assert len(roster) == 1


def test_a_roster_filled_by_changes_is_the_roster_filled_at_once(peppers: Peppers, make: Make) -> None:
    chance = random.Random(5)
    made = [make(new_kid(chance.randbytes(16)), secret=chance.randbytes(32)) for _ in range(2_000)]
    grown, whole = Roster(peppers), Roster(peppers)
    for key, _ in made:
        grown.change([key])
    whole.replace_all(key for key, _ in made)
    for key, token in made:
        assert (
            identify(token, grown, NOW) == identify(token, whole, NOW) == Identity(Standing.GOOD, key, key.id)
        )
