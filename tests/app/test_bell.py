"""What the delivery loop waits by."""

import asyncio

from chatelaine.app.notices import Bell
from chatelaine.app.wire import CLOCK
from chatelaine.model.words import SECOND, Instant

HOUR = 3600 * SECOND


def test_it_waits_no_longer_than_until_the_instant() -> None:
    async def check() -> None:
        bell = Bell()
        await bell.wait(Instant(0))
        until = Instant(CLOCK.now() + SECOND // 100)
        await bell.wait(until)
        # A timer may ring a little early; the loop then looks once more.
        assert CLOCK.now() >= until - SECOND // 200

    asyncio.run(check())


def test_whoever_rings_wakes_it_at_once_and_also_before_it_waits() -> None:
    async def check() -> None:
        bell, began = Bell(), CLOCK.now()
        bell.ring()
        await bell.wait(Instant(began + HOUR))
        waiting = asyncio.create_task(bell.wait(Instant(began + HOUR)))
        await asyncio.sleep(0)
        assert not waiting.done()
        bell.ring()
        await waiting
        assert CLOCK.now() < began + HOUR

    asyncio.run(check())
