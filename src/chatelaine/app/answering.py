"""What is found is answered: combined into alerts, kept in incidents, and acted upon by playbooks."""

from collections.abc import Callable, Sequence

from chatelaine.core.detection.combine import Combiner
from chatelaine.model.detection import Finding, Sighting
from chatelaine.model.playbook import Situation
from chatelaine.model.words import KeyId
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.playbook import Responder


class Answering:
    """Answers the findings of the watch, one turn at a time."""

    def __init__(
        self,
        combiner: Combiner,
        keeper: IncidentKeeper,
        responder: Responder,
        canary: Callable[[KeyId], bool],
    ) -> None:
        self._combiner = combiner
        self._keeper = keeper
        self._responder = responder
        self._canary = canary

    async def answer(self, findings: Sequence[Finding], sightings: Sequence[Sighting] = ()) -> None:
        """Answer what a turn found; it returns when that is durable and what runs by itself has run.

        The combiner's state is to be kept with the cursor of the watch: from an older one the same findings
        give the same alerts, which are stored and answered once.

        Raises:
            StoreError: nothing of it was stored; the watch is to go on from what it kept last.
        """
        found = self._combiner.gather(findings, sightings)
        for alert, incident in await self._keeper.take(found):
            await self._responder.answer(
                Situation(
                    alert=alert,
                    incident=incident.id,
                    prefixes=incident.prefixes,
                    canary=bool(alert.key) and self._canary(alert.key),
                )
            )
