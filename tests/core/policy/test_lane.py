"""What the lanes let through."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chatelaine.core.policy.lane import Lanes, passed_as
from chatelaine.core.policy.pace import Paces
from chatelaine.model.exchange import Asked, Modality, Operation, RefusalReason, RouteMatch, Shape
from chatelaine.model.playbook import Lane
from chatelaine.model.policy import Disposition, Hold
from chatelaine.model.settings import ContainmentSettings, MappedModel, QuarantineSettings
from chatelaine.model.words import SECOND, ActionId, Instant, KeyId, ProviderId

KEY, NOW = KeyId("AAAAAAAAA"), Instant(6_000 * SECOND)
ROUTE = RouteMatch(ProviderId("openai"), "/v1/chat/completions", Operation.CHAT, "openai")
SHAPE = Shape(model="gpt-4o")
BODY = b'{"model":"gpt-4o"}'
ASKED = Asked(operation=Operation.CHAT, model="gpt-4o", modalities=(Modality.TEXT,))


def lanes(**quarantine: object) -> Lanes:
    made = QuarantineSettings(**quarantine)  # type: ignore[arg-type] - each test names fields of its own
    return Lanes(ContainmentSettings(quarantine=made, tarpit_delay=timedelta(seconds=3)), Paces(1, 1))


def test_plain_text_of_any_granted_model_is_served_where_no_models_are_listed() -> None:
    assert lanes().fault(ROUTE, ASKED, SHAPE, BODY) is None


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt-4o-mini", None),
        ("small-7b", None),
        ("gpt-4o", RefusalReason.MODEL_NOT_GRANTED),
        ("", RefusalReason.MODEL_NOT_GRANTED),
    ],
)
def test_listed_models_alone_are_served(model: str, told: RefusalReason | None) -> None:
    listed = lanes(models=("gpt-4o-mini", "small-*"))
    assert listed.fault(ROUTE, replace(ASKED, model=model), SHAPE, BODY) is told


def test_a_mapped_model_is_served_by_another_where_the_body_names_it() -> None:
    mapped = lanes(models=("none",), mapped=(MappedModel(asked="gpt-4*", served="gpt-4o-mini"),))
    assert mapped.fault(ROUTE, ASKED, SHAPE, BODY) is None
    assert mapped.amendment(ROUTE, ASKED, "").model == "gpt-4o-mini"
    in_path = replace(ROUTE, model="gpt-4o")
    assert mapped.fault(in_path, ASKED, SHAPE, BODY) is RefusalReason.MODEL_NOT_GRANTED
    assert mapped.amendment(in_path, ASKED, "").model == ""


@pytest.mark.parametrize(
    ("asked", "shape", "told"),
    [
        (replace(ASKED, operation=Operation.IMAGE), SHAPE, RefusalReason.OPERATION_NOT_GRANTED),
        (replace(ASKED, operation=Operation.LIST), SHAPE, RefusalReason.OPERATION_NOT_GRANTED),
        (replace(ASKED, operation=Operation.BATCH), SHAPE, RefusalReason.OPERATION_NOT_GRANTED),
        (
            replace(ASKED, modalities=(Modality.IMAGE, Modality.TEXT)),
            SHAPE,
            RefusalReason.MODALITY_NOT_GRANTED,
        ),
        (ASKED, replace(SHAPE, tools=1), RefusalReason.TOOLS_NOT_GRANTED),
    ],
)
def test_what_is_more_than_plain_text_is_refused(asked: Asked, shape: Shape, told: RefusalReason) -> None:
    assert lanes().fault(ROUTE, asked, shape, BODY) is told


def test_what_is_stored_for_the_owner_is_not_drawn_on() -> None:
    drawing = b'{"model":"gpt-4o","previous_response_id":"resp_1"}'
    assert lanes().fault(ROUTE, ASKED, SHAPE, drawing) is RefusalReason.TOOLS_NOT_GRANTED
    assert lanes().fault(ROUTE, ASKED, SHAPE, b"") is None


def test_uploads_and_tunnels_are_refused_whatever_they_say() -> None:
    for route in (replace(ROUTE, upload=True), replace(ROUTE, websocket=True)):
        assert lanes().fault(route, ASKED, SHAPE, BODY) is RefusalReason.OPERATION_NOT_GRANTED


@pytest.mark.parametrize(("asked", "capped"), [(None, 512), (20, 20), (512, 512), (9_000, 512)])
def test_the_output_is_capped_and_never_raised(asked: int | None, capped: int) -> None:
    assert lanes().capped(replace(SHAPE, output_cap=asked)).output_cap == capped


def test_lanes_count_by_restraint_or_by_key_and_a_restraint_may_name_its_own_rate() -> None:
    counted = lanes(requests_per_minute=2)
    habit, mine = Hold(Lane.QUARANTINE), Hold(Lane.QUARANTINE, ActionId("act_1"), requests_per_minute=1)
    assert [bool(counted.wait(habit, KEY, NOW)) for _ in range(3)] == [False, False, True]
    assert [bool(counted.wait(mine, KEY, NOW)) for _ in range(2)] == [False, True]
    assert [counted.wait(Hold(Lane.TARPIT), KEY, NOW) for _ in range(99)] == [0] * 99


def test_the_tarpit_delays_as_its_restraint_or_the_settings_say() -> None:
    assert lanes().delay(Hold(Lane.TARPIT)) == 3 * SECOND
    assert lanes().delay(Hold(Lane.TARPIT, delay_ms=250)) == SECOND // 4


def test_what_goes_on_is_recorded_by_its_lane() -> None:
    assert passed_as(None) is Disposition.ALLOWED
    assert passed_as(Hold(Lane.QUARANTINE)) is Disposition.QUARANTINED
    assert passed_as(Hold(Lane.TARPIT)) is Disposition.DELAYED
    assert {passed_as(Hold(lane)) for lane in Lane} <= set(Disposition)
