"""Commands about restraints, carried out: by the hub while it runs, else by the command line itself."""

from typing import TypeGuard

from chatelaine.app.commands import Publisher
from chatelaine.model.link import Command, Lift, ListRestraints, Reply, Restrain, RestraintsTold
from chatelaine.services.key import KeyKeeper
from chatelaine.services.restraint import RestraintKeeper

Restraining = Restrain | Lift | ListRestraints


def is_restraining(command: Command) -> TypeGuard[Restraining]:
    """Tell whether a command is about restraints."""
    return isinstance(command, Restrain | Lift | ListRestraints)


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
