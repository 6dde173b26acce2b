"""The watch learns nothing of a key while an incident on it is open, and learns again when it is closed."""

from chatelaine.model.detection import Family, Severity
from chatelaine.model.event import IncidentChanged, IncidentOpened
from chatelaine.model.incident import IncidentInput, IncidentState
from chatelaine.model.words import AlertId, IncidentId, Instant, KeyId, OwnerId
from chatelaine.services.detection import Turn, Watch

ONE, TWO = IncidentId("inc_000000000001"), IncidentId("inc_000000000002")
K1, K2 = KeyId("k1"), KeyId("k2")


def opened(incident: IncidentId, *keys: KeyId) -> IncidentOpened:
    return IncidentOpened(
        at=Instant(1),
        incident=incident,
        alert=AlertId("a"),
        title="t",
        severity=Severity.HIGH,
        keys=keys,
        owners=(OwnerId("o"),),
        contexts=(),
        families=(Family.CLIENT,),
        findings=(),
    )


def moved(incident: IncidentId, after: IncidentState, into: str = "") -> IncidentChanged:
    return IncidentChanged(
        at=Instant(2),
        incident=incident,
        given=IncidentInput.CLOSE,
        before=IncidentState.OPEN,
        after=after,
        severity=Severity.HIGH,
        by="ann",
        merged_into=IncidentId(into),
    )


def watching(*events: IncidentOpened | IncidentChanged) -> Watch:
    watch = Watch(())
    for event in events:
        watch.take(event, Turn())
    return watch


def test_closing_an_incident_thaws_its_keys_and_no_others() -> None:
    watch = watching(opened(ONE, K1), opened(TWO, K2), moved(ONE, IncidentState.CLOSED))
    assert not watch.frozen(K1)
    assert watch.frozen(K2)


def test_a_merged_incident_keeps_its_keys_frozen_until_the_other_is_closed() -> None:
    merged = (opened(ONE, K1), opened(TWO, K2), moved(ONE, IncidentState.MERGED, TWO))
    assert watching(*merged).frozen(K1)
    watch = watching(*merged, moved(TWO, IncidentState.CLOSED))
    assert not watch.frozen(K1)
    assert not watch.frozen(K2)


def test_what_is_frozen_is_so_after_a_restart() -> None:
    before, after = watching(opened(ONE, K1)), Watch(())
    after.restore(list(before.changed()))
    assert after.frozen(K1)
