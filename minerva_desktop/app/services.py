"""What the composition root hands to the window: everything below Qt, made once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from minerva_desktop.app.access_keys import AccessKeys
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.generation import AnswerEngine
from minerva_desktop.app.model_actions import ModelActions
from minerva_desktop.app.preset_file import PresetFile
from minerva_desktop.app.session_listener import SessionListener
from minerva_desktop.paths import AppPaths
from minerva_desktop.settings import SettingsFile


class Services(msgspec.Struct, frozen=True):
    """``open_chats`` raises `StoreError` when the chats cannot be opened."""

    paths: AppPaths
    settings: SettingsFile
    models: ModelActions
    access_keys: AccessKeys
    presets: PresetFile
    open_chats: Callable[[AnswerEngine, SessionListener], Awaitable[ChatLibrary]]
