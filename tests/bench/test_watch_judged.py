"""How the benches of detection judge: what egress is stable, and when somebody closes an incident."""

import sys
from pathlib import Path

import pytest

from chatelaine.model.detection import Alert, Family, Severity
from chatelaine.model.words import SECOND, AlertId, ContextId, FindingId, Instant, KeyId, OwnerId
from chatelaine.services.detection import Watch

np = pytest.importorskip("numpy", reason="make bench installs it")
polars = pytest.importorskip("polars", reason="make bench installs it")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from watch_month import DAY, SHIFT, Alarms, Month  # noqa: E402 - found by the line above
from watch_product import Desk  # noqa: E402 - found by the line above
from watch_stable import stable, stable_rate  # noqa: E402 - found by the line above

HOUR = 3_600 * SECOND


def month(*rows: tuple[int, float, int, int]) -> Month:
    """Return a month of rows: key, day, /24 and whether it is a thief's; nothing is stolen."""
    made = Month(Path("none.parquet"))
    keys, days, prefixes, foreign = zip(*sorted(rows, key=lambda row: row[1]), strict=True)
    ips = [prefix * 256 + 7 for prefix in prefixes]
    frame = {"key": keys, "ts": [day * DAY for day in days], "ip": ips, "att": foreign}
    vars(made).update(frame=polars.DataFrame(frame), truth={})
    return made


def told(made: Month, key: int, day: float) -> bool:
    return bool(stable(made, np.array([key]), np.array([day * DAY]))[0])


def test_an_egress_is_stable_where_no_network_is_newer_than_ten_days() -> None:
    made = month((3, 1.0, 10, 0), (3, 8.0, 11, 0), (4, 1.0, 10, 0))
    assert told(made, 3, 7.0) is False
    assert told(made, 3, 17.0) is False
    assert told(made, 3, 19.0) is True
    assert told(made, 4, 17.0) is True


def test_a_key_that_was_never_seen_or_shows_seven_networks_has_no_stable_egress() -> None:
    six = [(3, 1.0, prefix, 0) for prefix in range(6)]
    assert told(month(*six), 3, 20.0) is True
    assert told(month(*six, (3, 1.5, 99, 0)), 3, 20.0) is False
    assert told(month(*six), 2, 20.0) is False
    assert told(month(*six), 4, 20.0) is False


def test_what_a_thief_shows_is_none_of_the_owners_networks() -> None:
    assert told(month((3, 1.0, 10, 0), (3, 15.0, 66, 1)), 3, 20.0) is True


def test_false_alarms_are_counted_among_the_days_that_began_with_a_stable_egress() -> None:
    quiet, moving = (3, 1.0, 10, 0), (4, 14.2, 11, 0)
    made = month(quiet, (3, 20.5, 77, 0), (4, 1.0, 10, 0), moving, (4, 20.5, 12, 0))
    alarms = Alarms(made, np.array([3, 4]), np.array([1.0, 1.0]))
    assert sorted(made.key_days.tolist()) == [3 * SHIFT + 20, 4 * SHIFT + 14, 4 * SHIFT + 20]
    # Key 3 on day 20 and key 4 on day 14 are stable; key 4 on day 20 has moved six days ago.
    assert stable_rate([alarms], 0.5) == (500.0, 2)
    assert stable_rate([alarms], 1.5) == (0.0, 2)


def alert(name: str, at: int, key: str = "k") -> Alert:
    return Alert(
        *(AlertId(name), Instant(at), KeyId(key), OwnerId("o"), (ContextId("c"),), Severity.HIGH),
        *((Family.CLIENT, Family.BEHAVIOUR), False, True, (FindingId("f"),), ()),
    )


def test_an_incident_freezes_its_key_until_somebody_closes_it() -> None:
    watch = Watch([])
    desk = Desk(watch, hours=24)
    desk.take(alert("a", HOUR), stolen=False)
    desk.take(alert("b", 20 * HOUR), stolen=False)
    desk.close(Instant(25 * HOUR - 1))
    assert watch.frozen(KeyId("k"))
    desk.close(Instant(25 * HOUR))
    assert not watch.frozen(KeyId("k"))


def test_an_incident_that_a_thief_joins_is_not_closed() -> None:
    watch = Watch([])
    desk = Desk(watch, hours=24)
    desk.take(alert("a", HOUR), stolen=False)
    desk.take(alert("b", 2 * HOUR), stolen=True)
    desk.take(alert("c", 3 * HOUR), stolen=False)
    desk.close(Instant(999 * HOUR))
    assert watch.frozen(KeyId("k"))
