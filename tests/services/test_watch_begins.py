"""How a key begins: with the habit of the one whose place it takes, or with what its owner declared."""

from chatelaine.model.detection import Dimension, Family, Phase, Severity, Sighting
from chatelaine.model.event import IncidentOpened, KeyIssued
from chatelaine.model.key import Grant
from chatelaine.model.words import (
    SECOND,
    AlertId,
    AppName,
    ContextId,
    ExchangeId,
    IncidentId,
    Instant,
    KeyId,
    OwnerId,
)
from chatelaine.services.detection import Turn, Watch

OLD, NEW, OWNER = KeyId("old"), KeyId("new"), OwnerId("o")
DAY = 86_400 * SECOND
START = Instant(20_000 * DAY)


def issued(key: KeyId, predecessor: KeyId | None = None, grant: Grant | None = None) -> KeyIssued:
    return KeyIssued(
        at=START,
        key=key,
        owner=OWNER,
        app=AppName("a"),
        by="ann",
        grant=grant or Grant(),
        expires_at=None,
        predecessor=predecessor,
    )


def incident(key: KeyId) -> IncidentOpened:
    return IncidentOpened(
        at=START,
        incident=IncidentId("inc_000000000001"),
        alert=AlertId("a"),
        title="t",
        severity=Severity.HIGH,
        keys=(key,),
        owners=(OWNER,),
        contexts=(),
        families=(Family.CLIENT,),
        findings=(),
    )


def lived(watch: Watch, key: KeyId) -> Watch:
    turn = Turn()
    for number in range(400):
        one = Sighting(
            at=Instant(START + number * DAY // 40),
            phase=Phase.WHOLE,
            exchange=ExchangeId(str(number)),
            key=key,
            owner=OWNER,
            context=ContextId("c"),
            prefix="203.0.113.0/24",
            ja4="t13",
            header_hash="h",
            model="m",
            status=200,
        )
        watch.see(one, turn)
    return watch


def test_a_key_that_takes_another_s_place_has_its_habit_and_learns_for_itself() -> None:
    watch = lived(Watch(()), OLD)
    watch.take(issued(NEW, OLD), Turn())
    before, after = watch.habit(OLD), watch.habit(NEW)
    assert before is not None
    assert after is not None
    assert after.settled
    assert watch.knows(NEW, ContextId("c"))
    seen = after.seen
    lived(watch, OLD)
    assert after.seen == seen


def test_it_learns_though_nothing_is_learnt_of_the_one_before() -> None:
    watch = lived(Watch(()), OLD)
    watch.take(incident(OLD), Turn())
    watch.take(issued(NEW, OLD), Turn())
    after = watch.habit(NEW)
    assert after is not None
    assert watch.frozen(OLD)
    assert not after.frozen


def test_a_new_key_knows_what_its_owner_declared() -> None:
    watch = Watch(())
    watch.take(issued(NEW, grant=Grant(models=("m",), networks=("203.0.113.0/24",))), Turn())
    habit = watch.habit(NEW)
    assert habit is not None
    assert habit.weight(Dimension.MODEL, "m") == 1
    assert habit.weight(Dimension.PREFIX, "203.0.113.0/24") == 1
    assert not habit.settled
    watch.take(issued(KeyId("plain")), Turn())
    assert watch.habit(KeyId("plain")) is None


def test_an_issue_that_is_read_again_takes_nothing_back() -> None:
    watch = Watch(())
    first = issued(NEW, grant=Grant(models=("m",)))
    watch.take(first, Turn())
    lived(watch, NEW)
    watch.take(first, Turn())
    habit = watch.habit(NEW)
    assert habit is not None
    assert habit.seen == 400


def test_keys_that_were_only_declared_make_room_as_all_others() -> None:
    watch = Watch((), awake=5)
    for number in range(20):
        watch.take(issued(KeyId(f"k{number}"), grant=Grant(models=("m",))), Turn())
    awake = [number for number in range(20) if watch.habit(KeyId(f"k{number}")) is not None]
    assert awake == [15, 16, 17, 18, 19]
    lived(watch, KeyId("k0"))
    habit = watch.habit(KeyId("k0"))
    assert habit is not None
    assert habit.weight(Dimension.MODEL, "m") > 1
