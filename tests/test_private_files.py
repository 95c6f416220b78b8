"""Other users of the machine cannot read a person's chats, settings and log."""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minerva_desktop.app.preset_file import PresetFile, write_presets
from minerva_desktop.chat.presets import Preset, PromptLibrary
from minerva_desktop.commands.folders import ready_paths
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.logs import start_logging
from minerva_desktop.paths import AppPaths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.store.chat_store import ChatStore
from tests.chat.samples import make_conversation

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="about modes of Unix")

LIBRARY = PromptLibrary(presets=(Preset(name="Brief"),))


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    before = os.umask(0o022)  # what most systems give people: others may read
    yield
    os.umask(before)


@pytest.fixture
def logged() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()


def modes(folder: Path) -> dict[str, str]:
    found = {str(each.relative_to(folder)): each for each in folder.rglob("*")}
    return {name: oct(stat.S_IMODE(each.lstat().st_mode)) for name, each in found.items()}


async def used(paths: AppPaths, small_path: Path) -> set[str]:
    """Have the app keep one of each; the modes of what it makes while it runs."""
    store = await ChatStore.open(paths.database)
    await store.create(make_conversation())
    await store.back_up()
    SettingsFile(paths.settings).save(Settings(n_ctx=1024))
    presets = PresetFile(paths.presets)
    presets.keep(LIBRARY)
    await presets.written()
    Catalog(paths.catalog, embedded=None).add(small_path)
    start_logging(paths.logs)
    made = modes(paths.data.parent)
    await store.close()
    assert {"data/chats.sqlite3-wal", "data/chats.sqlite3.lock", "logs/minerva.log"} <= made.keys()
    assert {"config/settings.json", "config/presets.json", "data/models.json"} <= made.keys()
    assert [name for name in made if name.startswith("data/backups/chats-")]
    folders = {"data", "data/backups", "config", "logs"}
    assert {made.pop(name) for name in folders} == {"0o700"}
    return set(made.values())


@pytest.mark.usefixtures("logged")
async def test_what_the_app_keeps_is_for_this_user_alone(
    minerva_home: Path, small_path: Path
) -> None:
    assert await used(ready_paths(), small_path) == {"0o600"}


async def test_what_an_older_version_left_open_is_closed(minerva_home: Path) -> None:
    paths = AppPaths(*(minerva_home / name for name in ("data", "config", "logs")))
    shared = minerva_home / "shared"  # the person's own, which others may have
    for folder in (paths.backups, paths.config, paths.logs, shared):
        folder.mkdir(parents=True)
    files = (paths.database, paths.backups / "chats.sqlite3", paths.settings, shared / "a.gguf")
    for file in files:
        file.touch(0o644)
    (paths.data / "a.gguf").symlink_to(shared / "a.gguf")
    paths.api_keys.touch(0o666)
    ready_paths()
    found = modes(minerva_home)
    assert {name: mode for name, mode in found.items() if mode not in {"0o700", "0o600"}} == {
        "data/a.gguf": "0o777", "shared": "0o755", "shared/a.gguf": "0o644",
        "config/api-keys.json": "0o644",  # it tells of that when it is read
    }  # fmt: skip
    assert stat.S_IMODE(minerva_home.stat().st_mode) == 0o755


def test_a_data_folder_on_another_disk_stays_open_and_its_files_do_not(
    minerva_home: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    (elsewhere / "chats.sqlite3").touch(0o644)
    minerva_home.mkdir()
    (minerva_home / "data").symlink_to(elsewhere)
    ready_paths()
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755
    assert modes(elsewhere) == {"chats.sqlite3": "0o600"}


def test_what_is_exported_is_as_the_person_has_it(tmp_path: Path) -> None:
    write_presets(tmp_path / "presets.json", LIBRARY)
    assert modes(tmp_path) == {"presets.json": "0o644"}
