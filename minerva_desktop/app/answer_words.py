"""How an answer is spoken of: its model's name, and what there is to do when it failed."""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.errors import ContextLimitExceeded, MinervaError, OutOfMemory

# Errors after which other load options of the model help: another context, or KV cache.
LOAD_OPTIONS_HELP = (ContextLimitExceeded, OutOfMemory)


def model_name(path: Path) -> str:
    """What a chat calls the model at ``path`` that answers in it: the name of its file, as SQLite
    can hold it."""
    return clean_text(path.name)


def with_way_out(error: MinervaError) -> str:
    """The sentence beneath a failed answer. Trying again helps with most errors, not with these."""
    if isinstance(error, ContextLimitExceeded):
        return (
            f"{error.message} tokens. Shorten the message, begin a new chat, or give the model a "
            "larger context in its load options (Ctrl+Shift+L)."
        )
    if isinstance(error, OutOfMemory):
        return (
            f"{error.message.rstrip('.')}. Give the model a smaller context in its load options "
            "(Ctrl+Shift+L), unload another model, or allow models more memory in the settings "
            "(Ctrl+,)."
        )
    return error.message
