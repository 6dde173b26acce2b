"""A meter that has no room left: refused, told, and the gate goes on."""

from typing import NoReturn

import pytest
from stage import Stage, one_reply, statuses

from chatelaine.model.error import MeterError
from chatelaine.model.exchange import RefusalReason


def test_a_meter_without_room_on_its_disk_refuses_and_the_gate_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(replies=one_reply)

    def full(*_: object) -> NoReturn:
        raise MeterError("meter: No space left on device", hint="free space")

    with monkeypatch.context() as disk:
        disk.setattr(stage.meter, "reserve", full)
        caller = stage.say(stage.request())
        assert statuses(caller.out) == [503]
        assert stage.refused[0].reason is RefusalReason.METER_UNAVAILABLE
        assert "No space left" in stage.refused[0].detail
    stage.say(stage.request(), caller=caller)
    assert statuses(caller.out) == [503, 200]
