"""A message that waits in a chat to be sent, as it outlives the app. A value without I/O."""

from __future__ import annotations

import msgspec

from minerva_desktop.chat.parts import Files


class WaitingMessage(msgspec.Struct, frozen=True):
    """``model`` is the path of the model that it is for, as `paths.path_text` has it."""

    text: str
    model: str
    files: Files = ()


Waiting = tuple[WaitingMessage, ...]
