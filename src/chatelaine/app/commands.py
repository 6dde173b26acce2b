"""Commands about keys, carried out: by the hub while it runs, else by the command line itself."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from chatelaine.model.error import UsageError
from chatelaine.model.event import AdminActed
from chatelaine.model.key import KeyInput, VirtualKey
from chatelaine.model.link import (
    ChangeKey,
    Command,
    IssueKey,
    KeyIssuedTold,
    KeysTold,
    ListKeys,
    ListProviderKeys,
    ProviderKeysTold,
    Reach,
    RecordAct,
    RemoveProviderKey,
    Reply,
    RotateKey,
    ShowKey,
    StoreProviderKey,
)
from chatelaine.model.settings import Settings
from chatelaine.model.words import Instant
from chatelaine.services.key import KeyKeeper


class Publisher(Protocol):
    """Knows how far a change has come."""

    async def reach(self) -> Reach:
        """Wait for every worker to acknowledge, for a second at most, and return how many have."""
        ...


class Nobody:
    """The publisher of a command line that works without a hub: there is nobody to reach."""

    async def reach(self) -> Reach:
        """Return at once."""
        return Reach(0, 0, 0.0)


def acted(command: RecordAct, now: Instant) -> AdminActed:
    """Return the event that a command asks to be recorded."""
    return AdminActed(now, command.act.value, command.by, command.outcome, command.detail)


class Clerk:
    """Carries commands about keys out, and tells how far each has come."""

    def __init__(self, keeper: KeyKeeper, settings: Settings, publisher: Publisher) -> None:
        self._keeper = keeper
        self._settings = settings
        self._publisher = publisher

    async def carry_out(self, command: Command) -> Reply:
        """Carry a command out.

        Raises:
            ChatelaineError: it cannot be.
        """
        if isinstance(command, ListKeys):
            return KeysTold(tuple(await self._keeper.list()))
        if isinstance(command, ShowKey):
            return KeysTold((await self._keeper.show(command.key),))
        if isinstance(command, ListProviderKeys):
            return ProviderKeysTold(tuple(await self._keeper.provider_keys()))
        return await self._change(command)

    async def _change(self, command: Command) -> Reply:
        if isinstance(command, ChangeKey):
            key = await self._changes()[command.change](command)
            return KeysTold((key,), await self._publisher.reach())
        if isinstance(command, IssueKey):
            issued = await self._keeper.issue(command.asked, by=command.by)
            return KeyIssuedTold(issued.key, issued.token, await self._publisher.reach())
        if isinstance(command, RotateKey):
            overlap = command.overlap if command.overlap is not None else self._settings.keys.overlap
            issued = await self._keeper.rotate(
                command.key, overlap=overlap, by=command.by, reason=command.reason
            )
            return KeyIssuedTold(issued.key, issued.token, await self._publisher.reach())
        return await self._change_provider_key(command)

    async def _change_provider_key(self, command: Command) -> Reply:
        if isinstance(command, StoreProviderKey):
            await self._keeper.store_provider_key(command.name, command.owner, command.value, by=command.by)
        elif isinstance(command, RemoveProviderKey):
            await self._keeper.remove_provider_key(command.name, by=command.by)
        else:
            raise UsageError(f"{type(command).__name__} is not carried out here")
        held = tuple(await self._keeper.provider_keys())
        return ProviderKeysTold(held, await self._publisher.reach())

    def _changes(self) -> dict[KeyInput, Callable[[ChangeKey], Awaitable[VirtualKey]]]:
        keeper = self._keeper
        return {
            KeyInput.SUSPEND: lambda asked: keeper.suspend(asked.key, by=asked.by, reason=asked.reason),
            KeyInput.RESUME: lambda asked: keeper.resume(asked.key, by=asked.by, reason=asked.reason),
            KeyInput.EXPOSE: lambda asked: keeper.expose(asked.key, by=asked.by, reason=asked.reason),
            KeyInput.REVOKE: lambda asked: keeper.revoke(asked.key, by=asked.by, reason=asked.reason),
        }
