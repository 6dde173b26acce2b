"""What people are told of incidents and actions: gathered while these are stored, then told."""

from collections.abc import Awaitable, Callable

from chatelaine.core.incident.tell import of_action, of_incident
from chatelaine.model.incident import Incident
from chatelaine.model.notice import Notice
from chatelaine.model.playbook import Action
from chatelaine.services.notice import Courier


class Telling:
    """Gathers notices; they are told once what they tell of is stored."""

    def __init__(self, courier: Courier, ring: Callable[[], None]) -> None:
        self._courier = courier
        self._ring = ring
        self._notices: list[Notice] = []

    def note_incident(self, before: Incident | None, after: Incident) -> None:
        """Take the news that an incident was opened or moved."""
        self._add(of_incident(before, after))

    def noting_actions(
        self, changed: Callable[[Action], Awaitable[object]]
    ) -> Callable[[Action], Awaitable[object]]:
        """Return what takes the news that an action moved, and passes it on."""

        async def note(action: Action) -> None:
            self._add(of_action(action))
            await changed(action)

        return note

    async def notify(self, action: Action) -> None:
        """Carry out an action that tells somebody."""
        self._add(of_action(action, told=True))

    async def flush(self) -> None:
        """Put what was gathered into the outbox.

        Raises:
            StoreError: it cannot be written; it is told the next time.
        """
        if self._notices and await self._courier.tell(self._notices):
            self._ring()
        self._notices = []

    def _add(self, notice: Notice | None) -> None:
        if notice is not None:
            self._notices.append(notice)
