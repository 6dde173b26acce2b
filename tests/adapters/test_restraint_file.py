"""The file of restraints: it outlives the process, is its owner's alone, and damage is told."""

import asyncio
import stat
from pathlib import Path

import pytest

from chatelaine.adapters.restraint_file import open_restraint_file
from chatelaine.model.error import StoreCorrupt, StoreError
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import ActionId, Instant, KeyId

ONE = Restraint(ActionId("act_000000000001"), KeyId("AAAAAAAAA"), Lane.REFUSE, Instant(5))


def test_restraints_outlive_the_process_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "held.json"
    asyncio.run(open_restraint_file(path).change([ONE], ()))
    assert asyncio.run(open_restraint_file(path).restraints()) == (ONE,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["held.json"]


def test_what_a_crash_left_beside_the_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "held.json"
    asyncio.run(open_restraint_file(path).change([ONE], ()))
    (tmp_path / "held.json.new").write_text('{"version":1,"restr', encoding="utf-8")
    opened = open_restraint_file(path)
    assert asyncio.run(opened.restraints()) == (ONE,)
    asyncio.run(opened.change((), [ONE.id]))
    assert asyncio.run(open_restraint_file(path).restraints()) == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"version":1}', '{"version":1,"restraints":[{"id":7}]}', "\x00", "[" * 9000]
)
def test_a_damaged_file_is_told_with_what_mends_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "held.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreCorrupt, match=r"held\.json is damaged.*\n.*move it aside"):
        open_restraint_file(path)


def test_a_newer_releases_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "held.json"
    path.write_text('{"version":2,"restraints":[]}', encoding="utf-8")
    with pytest.raises(StoreError, match="newer release"):
        open_restraint_file(path)


def test_what_cannot_be_written_is_told_and_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    store = open_restraint_file(folder / "held.json")
    with pytest.raises(StoreError, match="cannot be used"):
        asyncio.run(store.change([ONE], ()))
    assert asyncio.run(store.restraints()) == ()


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        open_restraint_file(tmp_path)
