"""Who a message of the transcript is by, in words. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping

from minerva_desktop.chat.message import Message, Role


def author_of(message: Message, model_names: Mapping[str, str]) -> str:
    """A model by the name that its file has in ``model_names``, if any."""
    match message.role:
        case Role.USER:
            return "You"
        case Role.SYSTEM:
            return "System prompt"
        case Role.TOOL:
            return "Tool"
    file = message.model or "Answer"
    return model_names.get(file) or file.removesuffix(".gguf")
