"""Where a conversation that outgrew the context goes on, by a person's choice. Values, no I/O."""

from __future__ import annotations

import msgspec


class ContextCut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From ``first_id`` on, the model is given a chat; what is before stays, and is not sent.

    ``summary`` says what is before in a few words, and is given instead of it; empty: nothing is.
    ``created_at`` is Unix time in seconds, ``model`` the file name of the one that wrote the
    summary. A cut counts in each branch that ``first_id`` is in.
    """

    first_id: str
    created_at: float
    summary: str = ""
    model: str | None = None
