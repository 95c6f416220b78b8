"""What is said of a chat template that fails each chat. Pure text; any thread."""

from __future__ import annotations

from minerva_desktop.errors import InferenceError, MinervaError, with_detail

BROKEN = "The model's chat template is broken"  # what begins an error about that
NO_CHATS = "no chats: the model's chat template is broken: "  # and what to beware of for it


def why_broken(error: MinervaError) -> str:
    """What a broken template raised, in half a sentence."""
    return error.detail or error.message.removeprefix(f"{BROKEN}: ")


def no_chats(error: MinervaError) -> str:
    """What to beware of with a model that loads, for text without a chat, where ``error`` is what
    came of a question alone."""
    if isinstance(error, InferenceError):
        return f"{NO_CHATS}{why_broken(error)}"
    why = with_detail(error.message, error.detail)  # which says whose template it is
    return f"no chats that begin with a question alone: {why}"
