"""The demo's thieves: scripts of the simulator, sent to the gate from other addresses on this machine."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from chatelaine.app.rehearsal.traffic import Goal, Visitor, request, send
from chatelaine.core.play import program, script, wish
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import Deed, Holder
from chatelaine.core.play.script import Thief
from chatelaine.core.play.wish import Sizes, Speaker, Wish
from chatelaine.model.exchange import Caller, Client, Network

FOREIGN: Final = "127.66.6.6"
"""Where the thief's tool runs."""
NEAR: Final = "127.77.7.7"
"""Where the one runs that blends in."""
_SEED: Final = 2139
_OTHER_STACK: Final = 12
"""A TLS stack that the apps' Python does not show: fewer ciphers, other protocols."""
_OWN_STACK: Final = 0
"""The one it does show."""
_AT_ONCE: Final = 8
_HOLDER: Final = Holder(Caller(), 0)
"""Scripts ask whose key it is; over the wire the token says that."""
_RESOLD: Final = Wish(
    wish.chat(wish.MIDDLE, cap=400), Sizes(3_600, 0.7, 16_384), Sizes(330, 0.5, 1_024), turns=9.0
)


QUIET_ANSWER: Final = (
    "A calm grey would suit it well, since the stones around it are grey as well, the wood is old, and "
    "nobody who comes along the wall in the evening should notice that there is a door at all."
)
"""What a stand-in for a model says to the one that blends in: about as much as to the apps."""


def quiet_question(number: int) -> str:
    """Return what the one that blends in asks; no two of his questions are alike."""
    return (
        f"Please name a colour for door number {number} of the castle, in one sentence, and say why it suits."
    )


class Stolen:
    """A token in the wrong hands, and the tool that uses it."""

    def __init__(self, goal: Goal, token: str) -> None:
        self._goal = goal
        self._token = token
        self._asked = 0
        self._chance = Chance(_SEED)
        tool = program.program("aiohttp", 5)
        self._thief = Thief((Network(FOREIGN),), tool, "demo")

    async def probe(self) -> list[int]:
        """Look whether the key is any good, at no cost, and return what each look was answered."""
        looks = script.probe(self._thief, _HOLDER, 0, self._chance.branch("probe"))
        return [await self._send(deed) for deed in looks]

    async def enumerate_models(self) -> dict[str, int]:
        """Ask each model something tiny, and return what each was answered."""
        tries = script.enumerate_models(self._thief, _HOLDER, 0, self._chance.branch("models"))
        return {deed.said.asked.model: await self._send(deed) for deed in tries}

    async def burst(self, count: int) -> Counter[int]:
        """Resell it: so many requests, a few at a time; return how often which status came."""
        speaker, some = Speaker(_RESOLD, self._chance.branch("burst")), asyncio.Semaphore(_AT_ONCE)

        async def one(deed: Deed) -> int:
            async with some:
                return await self._send(deed)

        deeds = [self._thief.do(0, _HOLDER, speaker.say()) for _ in range(count)]
        return Counter(await asyncio.gather(*map(one, deeds)))

    async def blend_in(self, owner: Client, count: int, pause: float) -> list[int]:
        """Ask as the owner's app asks, seldom, with its SDK's headers and TLS stack, from elsewhere."""
        asked = replace(_RESOLD, asked=wish.chat(wish.MIDDLE), input=Sizes(24, 0.5))
        speaker, statuses = Speaker(asked, self._chance.branch("blend")), []
        client = replace(owner, network=Network(NEAR))
        for number in range(count):
            deed = replace(self._thief.do(0, _HOLDER, speaker.say()), client=client)
            text = quiet_question(self._asked + number)
            statuses.append(await self._send(deed, stack=_OWN_STACK, text=text))
            await asyncio.sleep(pause)
        self._asked += count
        return statuses

    async def _send(self, deed: Deed, *, stack: int = _OTHER_STACK, text: str = "") -> int:
        client = deed.client
        who = Visitor(client.network.ip, stack, client)
        return await send(self._goal, who, request(client, deed.said.asked, self._goal, self._token, text))


def answered(statuses: Iterable[int]) -> str:
    """Return statuses in plain words, the most frequent first."""
    counted = Counter(statuses).most_common()
    return ", ".join(f"{count} × {status or 'broken off'}" for status, count in counted)
