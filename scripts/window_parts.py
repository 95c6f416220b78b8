"""Puts the real window together inside a test or a benchmark, as `minerva_desktop.__main__` does
for a person, but with the folders and the library that it is given.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable

from minerva_desktop.api_keys import KeyFile
from minerva_desktop.app.access_keys import AccessKeys
from minerva_desktop.app.chat_care import saving_trouble
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.generation import AnswerEngine
from minerva_desktop.app.model_actions import (
    MemoryGivenBack,
    ModelActions,
    ModelState,
    load_options,
    own_options,
    told,
)
from minerva_desktop.app.preset_file import PresetFile
from minerva_desktop.app.services import Services
from minerva_desktop.app.session_listener import SessionListener
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import AppPaths
from minerva_desktop.runtime import Runtime
from minerva_desktop.settings import SettingsFile
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.engine_worker import RuntimeFactory


def compose(
    paths: AppPaths,
    catalog: Catalog,
    choose_engine: Callable[[AnswerEngine], AnswerEngine] = lambda engine: engine,
) -> tuple[Services, RuntimeFactory]:
    """What `Application` is built from. ``choose_engine`` gets the window's engine and returns the
    one that answers."""
    paths.create()
    settings = SettingsFile(paths.settings)

    def make_runtime(on_change: Callable[[ModelState | MemoryGivenBack], None]) -> Runtime:
        options = load_options(settings.current, paths.snapshots)
        return Runtime(
            catalog,
            options,
            own_options=own_options(settings.current, options),
            on_event=lambda event: on_change(told(event)),
            key_file=KeyFile(paths.api_keys),
        )

    async def open_chats(engine: AnswerEngine, listener: SessionListener) -> ChatLibrary:
        store = await ChatStore.open(
            paths.database,
            on_trouble=lambda trouble: listener.on_disk_trouble(saving_trouble(trouble)),
        )
        return ChatLibrary(store, choose_engine(engine), listener, SnapshotFiles(paths.snapshots))

    services = Services(
        paths=paths,
        settings=settings,
        models=ModelActions(catalog),
        access_keys=AccessKeys(KeyFile(paths.api_keys)),
        presets=PresetFile(paths.presets),
        open_chats=open_chats,
    )
    return services, make_runtime
