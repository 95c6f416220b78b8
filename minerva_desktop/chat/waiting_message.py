"""A message that waits in a chat to be sent, as it outlives the app. A value without I/O."""

from __future__ import annotations

from pathlib import Path

import msgspec

from minerva_desktop.chat.parts import Files
from minerva_desktop.paths import path_of, path_text


class WaitingMessage(msgspec.Struct, frozen=True):
    """``model`` is the path of the model that it is for, as `paths.path_text` has it."""

    text: str
    model: str
    files: Files = ()


Waiting = tuple[WaitingMessage, ...]


def without_folder(waiting: WaitingMessage) -> WaitingMessage:
    """For a model by that name, wherever it is."""
    name = path_text(Path(path_of(waiting.model).name))
    return msgspec.structs.replace(waiting, model=name)
