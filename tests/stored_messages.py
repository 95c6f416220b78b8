"""Reads the chat file as another program would, while the app may have it open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import apsw


@dataclass(frozen=True)
class StoredMessage:
    """A row of the chat file. ``model`` is the file name of the model that answered."""

    role: str
    text: str
    state: str
    model: str | None


def stored_messages(database: Path) -> list[StoredMessage]:
    """The messages in a chat file, oldest first; none when there is no file yet."""
    if not database.exists():
        return []
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute(
            "SELECT role, text, state, model FROM messages ORDER BY created_at, seq"
        ).fetchall()
    finally:
        connection.close()
    return [
        StoredMessage(str(role), str(text), str(state), None if model is None else str(model))
        for role, text, state, model in rows
    ]
