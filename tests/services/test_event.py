"""The event room's driver: an exchange that nobody will end gets its one end."""

from chatelaine.model.event import ExchangeInterrupted
from chatelaine.model.exchange import Caller
from chatelaine.model.journal import OpenExchange
from chatelaine.model.words import ExchangeId, Instant, KeyId, NanoUsd, OwnerId, WorkerNumber
from chatelaine.services.event import interrupt


def test_an_interruption_charges_the_worst_case_to_who_asked_for_it() -> None:
    caller = Caller(KeyId("AbCdEfGh1"), OwnerId("acme"), "chatbot")
    left = OpenExchange(ExchangeId("a"), WorkerNumber(3), Instant(1), caller, 7, NanoUsd(99))
    expected = ExchangeInterrupted(Instant(5), ExchangeId("a"), WorkerNumber(3), caller, NanoUsd(99), slot=7)
    assert interrupt(left, Instant(5)) == expected
