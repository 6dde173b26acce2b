"""What an exchange is charged where the upstream says nothing, or says that it goes on."""

import pytest

from chatelaine.core.price import cost, worst_case
from chatelaine.model.exchange import Asked, Operation, Reservation, Served, Shape, Usage, UsageSource
from chatelaine.model.policy import Terms
from chatelaine.model.price import ModelPrice
from chatelaine.model.words import NanoUsd, UpstreamName
from chatelaine.services.exchange.reckoning import Spending, use

PRICE = ModelPrice(model="m", input=1_000, output=4_000, context=8_000, max_output=1_000)
SPEECH = ModelPrice(model="s", input=0, output=0, second=100_000_000, context=8_000, max_output=1_000)


def spending(
    operation: Operation = Operation.CHAT, *, body: int = 400, sent: int = 400, price: ModelPrice = PRICE
) -> Spending:
    asked = Asked(operation=operation, body_bytes=body)
    reserved = worst_case(price, operation, Shape(), max(body, sent))
    return Spending(asked, Terms((UpstreamName("up"),), price, reserved, 1), sent)


def test_what_the_upstream_counted_is_taken_as_it_is() -> None:
    told = Usage(7, 9)
    assert use(spending(), Served(told), status=200, output_seen=500) is told


@pytest.mark.parametrize("finish", ["queued", "in_progress"])
def test_a_reply_that_is_still_to_be_generated_is_charged_what_was_reserved(finish: str) -> None:
    asked = spending(Operation.RESPONSE)
    used = use(asked, Served(finish=finish), status=200, output_seen=0)
    assert used.source is UsageSource.RESERVED
    assert (used.input_tokens, used.output_tokens) == (200, 1_000)
    assert asked.terms.reserved == Reservation(200, 1_000, NanoUsd(4_200))


def test_a_batch_that_was_taken_is_charged_what_was_reserved_and_a_refused_one_nothing() -> None:
    asked = spending(Operation.BATCH)
    assert use(asked, Served(), status=200, output_seen=0).source is UsageSource.RESERVED
    assert use(asked, Served(), status=400, output_seen=0) == Usage()


def test_a_cut_stream_is_charged_its_input_and_what_had_come() -> None:
    used = use(spending(), Served(), status=200, output_seen=37)
    assert used == Usage(100, 37, source=UsageSource.ESTIMATED)


def test_audio_of_which_nothing_is_said_is_charged_by_the_seconds_it_may_hold() -> None:
    asked = spending(Operation.TRANSCRIPTION, body=0, sent=1_000_000, price=SPEECH)
    used = use(asked, Served(), status=200, output_seen=0)
    assert used.seconds > 0
    assert 0 < cost(SPEECH, used) <= asked.terms.reserved.cost


def test_an_estimate_never_exceeds_the_tokens_that_were_reserved() -> None:
    asked = spending(body=10_000_000)
    assert use(asked, Served(), status=200, output_seen=0).input_tokens == 8_000
