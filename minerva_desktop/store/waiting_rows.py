"""Messages that wait to be sent as columns of their chat, and back.

Values become columns on the thread of the one who asks; functions that take a connection run on the
database's thread.
"""

from __future__ import annotations

import apsw
import msgspec

from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.waiting_message import Waiting, WaitingMessage
from minerva_desktop.store.held_writes import Change
from minerva_desktop.store.message_rows import Row, change_one, json_of, parsed, parts_of

UPDATE_WAITING = "UPDATE conversations SET waiting = ? WHERE id = ?"
UPDATE_ALL = "UPDATE conversations SET waiting = ?, waiting_files = ? WHERE id = ?"


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of them; its files are the next ``n_files`` of those of all."""

    text: str
    model: str
    n_files: int = 0


def waiting_of(waiting: Waiting) -> str | None:
    """Without their files, as JSON; None for none."""
    return json_of([Line(e.text, e.model, len(e.files)) for e in waiting]) if waiting else None


def files_of(waiting: Waiting) -> str | None:
    """The files of all of them, as JSON; None for none."""
    return parts_of([file for each in waiting for file in each.files])


def columns_of(waiting: Waiting) -> Row:
    """Both."""
    return waiting_of(waiting), files_of(waiting)


def waiting_in(lines: str | None, files: str | None) -> Waiting:
    """What `columns_of` made; without what is not readable."""
    left = list(parsed(files, Files) or ()) if files else []
    waiting = []
    for line in (parsed(lines, tuple[Line, ...]) or ()) if lines else ():
        taken, left = left[: line.n_files], left[line.n_files :]
        waiting.append(WaitingMessage(line.text, line.model, tuple(taken)))
    return tuple(waiting)


def saving(chat_id: str, waiting: Waiting, *, with_files: bool) -> Change:
    """What has these wait in a chat; it raises `StoreError`."""

    def save(connection: apsw.Connection) -> None:
        if with_files:
            change_one(connection, UPDATE_ALL, (*columns_of(waiting), chat_id))
        else:
            change_one(connection, UPDATE_WAITING, (waiting_of(waiting), chat_id))

    return save
