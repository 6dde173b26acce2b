"""What is found is answered: combined into alerts, kept in incidents, and acted upon by playbooks."""

from collections.abc import Callable

from chatelaine.model.detection import Alert
from chatelaine.model.incident import Found, Incident
from chatelaine.model.playbook import Situation
from chatelaine.model.words import AlertId, IncidentId, KeyId, NanoUsd
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.playbook import Responder


class Answering:
    """Answers the findings of the watch, one turn at a time."""

    def __init__(
        self,
        keeper: IncidentKeeper,
        responder: Responder,
        canary: Callable[[KeyId], bool],
    ) -> None:
        self._keeper = keeper
        self._responder = responder
        self._canary = canary
        self._looked_at: set[tuple[IncidentId, tuple[AlertId, ...], NanoUsd]] = set()
        """Incidents as they were when their fuses were looked at."""

    async def take(self, found: Found) -> None:
        """Answer what a turn found; it returns when that is durable and what runs by itself has run.

        From an older state of the watch the same events give the same findings and alerts, which are stored
        and answered once.

        Raises:
            StoreError: nothing of it was stored; the turn is to be taken again.
        """
        for alert, incident in await self._keeper.take(found):
            await self._responder.answer(self._situation(alert, incident))

    async def look_after(self) -> None:
        """End what is due, and contain what was watched for longer than it is worth; every second or so."""
        await self._responder.expire_due()
        for incident in await self._keeper.live():
            place = (incident.id, incident.alerts, incident.money.spent)
            if incident.holding or not incident.money.spent or place in self._looked_at:
                continue
            self._looked_at = {one for one in self._looked_at if one[0] != incident.id} | {place}
            for alert in (await self._keeper.show(incident.id)).alerts:
                await self._responder.follow_up(self._situation(alert, incident), incident.money.spent)

    def _situation(self, alert: Alert, incident: Incident) -> Situation:
        return Situation(
            alert=alert,
            incident=incident.id,
            prefixes=incident.prefixes,
            canary=bool(alert.key) and self._canary(alert.key),
        )
