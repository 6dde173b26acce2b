"""Commands about restraints, carried out: by the hub while it runs, else by the command line itself."""

from typing import TypeGuard

from chatelaine.app.commands import Publisher
from chatelaine.model.link import Command, Lift, ListRestraints, Reply, Restrain, RestraintsTold
from chatelaine.model.playbook import Restraint
from chatelaine.model.words import ActionId
from chatelaine.services.key import KeyKeeper
from chatelaine.services.restraint import RestraintKeeper

_ENGINE = "chatelaine"

Restraining = Restrain | Lift | ListRestraints


def is_restraining(command: Command) -> TypeGuard[Restraining]:
    """Tell whether a command is about restraints."""
    return isinstance(command, Restrain | Lift | ListRestraints)


async def restrain_by_plan(restraints: RestraintKeeper, restraint: Restraint) -> None:
    """Put on what a playbook wants."""
    reason = f"incident {restraint.incident}" if restraint.incident else ""
    await restraints.restrain(restraint, by=_ENGINE, reason=reason)


async def lift_by_plan(restraints: RestraintKeeper, action: ActionId) -> None:
    """Lift what a playbook's action put on; where it has ended by itself, nothing is left to lift."""
    if any(one.id == action for one in await restraints.list()):
        await restraints.lift(action, by=_ENGINE, reason="taken back")


async def carry_out(
    command: Restraining, restraints: RestraintKeeper, keys: KeyKeeper, publisher: Publisher
) -> Reply:
    """Carry a command out, and tell how far the change has come.

    Raises:
        ChatelaineError: it cannot be carried out.
    """
    if isinstance(command, ListRestraints):
        return RestraintsTold(tuple(await restraints.list()))
    if isinstance(command, Lift):
        lifted = await restraints.lift(command.restraint, by=command.by, reason=command.reason)
        return RestraintsTold((lifted,), await publisher.reach())
    await keys.show(command.restraint.key)
    put = await restraints.restrain(command.restraint, by=command.by, reason=command.reason)
    return RestraintsTold((put,), await publisher.reach())
