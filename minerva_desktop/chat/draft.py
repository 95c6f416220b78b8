"""What is being typed, as a model would be given it. Values without I/O."""

from __future__ import annotations

from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.turns import question_text


def draft_turn(text: str, files: Files = ()) -> ChatTurn | None:
    """What a model would be given if that was sent now; None for nothing."""
    if not text.strip() and not files:
        return None
    return ChatTurn(Role.USER, question_text(clean_text(text), files))
