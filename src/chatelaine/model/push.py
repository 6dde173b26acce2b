"""What the hub pushes to its gate workers: whole tables to who is new, and then every change.

Each says its epoch, which the worker acknowledges once it decides by it.
"""

from dataclasses import dataclass

from chatelaine.model.key import VirtualKey
from chatelaine.model.playbook import HabitTable, Restraint
from chatelaine.model.words import ActionId, Epoch, KeyId, ProviderKeyName


@dataclass(frozen=True, slots=True)
class KeysSent:
    """A part of the whole key table; ``last`` says that it is complete."""

    epoch: Epoch
    keys: tuple[VirtualKey, ...]
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """Keys as they stand after a change."""

    epoch: Epoch
    keys: tuple[VirtualKey, ...]


@dataclass(frozen=True, slots=True)
class SecretsSent:
    """Every provider key, opened; never written down by who receives it."""

    epoch: Epoch
    secrets: dict[ProviderKeyName, bytes]

    def __repr__(self) -> str:
        return f"SecretsSent(epoch={self.epoch}, names={sorted(self.secrets)})"


@dataclass(frozen=True, slots=True)
class SettingsSent:
    """The digest of the settings in force; another one than before means: read them again."""

    epoch: Epoch
    digest: str


@dataclass(frozen=True, slots=True)
class RestraintsSent:
    """A part of all restraints that stand; ``last`` says that it is complete."""

    epoch: Epoch
    restraints: tuple[Restraint, ...]
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class RestraintsChanged:
    """Restraints that were put on or changed, and those that were lifted."""

    epoch: Epoch
    restraints: tuple[Restraint, ...]
    lifted: tuple[ActionId, ...] = ()


@dataclass(frozen=True, slots=True)
class HabitsSent:
    """A part of the habits of all settled keys; ``last`` says that it is complete."""

    epoch: Epoch
    habits: tuple[HabitTable, ...]
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class HabitsChanged:
    """Habits as they now stand, and the keys that have none any more."""

    epoch: Epoch
    habits: tuple[HabitTable, ...]
    forgotten: tuple[KeyId, ...] = ()


TableMessage = (
    KeysSent
    | KeysChanged
    | SecretsSent
    | SettingsSent
    | RestraintsSent
    | RestraintsChanged
    | HabitsSent
    | HabitsChanged
)
