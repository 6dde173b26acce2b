"""The keeper of restraints: puts them on, lifts them, and ends those whose time is over.

Each change is stored first, then recorded, then published to the gates; it is published also where it
cannot be recorded, since a thief must be held back whatever the state of the disk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatelaine.core.policy.check import MOST_RESTRAINTS, check, identified, in_words
from chatelaine.model.error import RestraintNotFound, UsageError
from chatelaine.model.event import AdminActed, Event
from chatelaine.model.playbook import Restraint
from chatelaine.model.words import ActionId, Instant
from chatelaine.ports import Clock, Entropy, RestraintStore

_ID_ENTROPY = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RestraintKeeper:
    """Keeps the restraints of one installation."""

    store: RestraintStore
    clock: Clock
    entropy: Entropy
    record: Callable[[Event], None]
    """Appends an event to the hub's journal."""
    publish: Callable[[Sequence[Restraint], Sequence[ActionId]], None]
    """Pushes restraints as they now stand, and those that were lifted, to every gate."""

    async def list(self) -> Sequence[Restraint]:
        """Return every restraint that stands."""
        return await self.store.restraints()

    async def restrain(self, restraint: Restraint, *, by: str, reason: str = "") -> Restraint:
        """Put a restraint on, or change the one of its id; one without an id is given one.

        Raises:
            UsageError: it makes no sense, or too many stand already.
            StoreError: it cannot be kept, and is not put on.
        """
        given = restraint if restraint.id else identified(restraint, self.entropy.draw(_ID_ENTROPY))
        check(given, self.clock.now())
        standing = {one.id for one in await self.store.restraints()}
        if given.id not in standing and len(standing) >= MOST_RESTRAINTS:
            raise UsageError(
                f"{len(standing)} restraints stand already", hint="lift some: chatelaine keys restraints"
            )
        await self.store.change((given,), ())
        self._announce((given,), (), [self._noted("restrain", given, by=by, reason=reason)])
        return given

    async def lift(self, action: ActionId, *, by: str, reason: str = "") -> Restraint:
        """Lift a restraint before it ends by itself.

        Raises:
            RestraintNotFound: none of this id stands.
        """
        for held in await self.store.restraints():
            if held.id == action:
                await self.store.change((), (action,))
                self._announce((), (action,), [self._noted("lift", held, by=by, reason=reason)])
                return held
        raise RestraintNotFound(
            f"no restraint has the id {action[:40]!r}", hint="chatelaine keys restraints shows them"
        )

    async def expire_due(self, now: Instant) -> Sequence[Restraint]:
        """End every restraint whose time is over; the gates have gone by its end already."""
        over = [one for one in await self.store.restraints() if one.until <= now]
        if over:
            lifted = tuple(one.id for one in over)
            await self.store.change((), lifted)
            events = [self._noted("lift", one, by="clock", reason="its time is over") for one in over]
            self._announce((), lifted, events)
        return over

    def _noted(self, action: str, restraint: Restraint, *, by: str, reason: str) -> AdminActed:
        told = in_words(restraint)
        return AdminActed(self.clock.now(), action, by, "done", f"{told}: {reason}" if reason else told)

    def _announce(
        self, added: Sequence[Restraint], lifted: Sequence[ActionId], events: Sequence[Event]
    ) -> None:
        try:
            for event in events:
                self.record(event)
        finally:
            self.publish(added, lifted)
