"""Folders, tags, and the marks of chats. Runs on the database's thread, in a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import apsw

from minerva_desktop.chat.conversation import Folder
from minerva_desktop.chat.names import clean_name
from minerva_desktop.chat.parts import Files
from minerva_desktop.errors import StoreError
from minerva_desktop.store.conversation_rows import INSERT_TAG
from minerva_desktop.store.message_rows import change_one, parts_of


class Mark(StrEnum):
    """A column of a chat that is one value; changed for several chats at once."""

    PINNED = "is_pinned"
    ARCHIVED = "is_archived"
    FOLDER = "folder_id"
    DRAFT = "draft"
    DRAFT_FILES = "draft_files"
    SCROLL = "scroll"
    DELETED = "deleted_at"


def set_mark(
    connection: apsw.Connection,
    mark: Mark,
    value: apsw.SQLiteValue,
    conversation_ids: Sequence[str],
) -> None:
    """Give all of them this value, or, raising `StoreError`, none."""
    if mark is Mark.FOLDER and value is not None:
        _require_folder(connection, str(value))
    for conversation_id in conversation_ids:
        statement = f"UPDATE conversations SET {mark.value} = ? WHERE id = ?"
        change_one(connection, statement, (value, conversation_id))


def set_files(connection: apsw.Connection, conversation_ids: Sequence[str], files: Files) -> None:
    """Have these files wait in their composers. Raises `StoreError`."""
    set_mark(connection, Mark.DRAFT_FILES, parts_of(files), conversation_ids)


def folders(connection: apsw.Connection) -> list[Folder]:
    """All folders by name, whatever its case."""
    rows = connection.execute("SELECT id, name FROM folders")
    found = [Folder(id=str(id_), name=str(name)) for id_, name in rows]
    return sorted(found, key=lambda folder: (folder.name.casefold(), folder.name))


def create_folder(connection: apsw.Connection, folder: Folder) -> None:
    """Raises `StoreError` for a name that is taken, whatever its case."""
    _refuse_taken(connection, folder)
    connection.execute("INSERT INTO folders (id, name) VALUES (?, ?)", (folder.id, folder.name))


def rename_folder(connection: apsw.Connection, folder: Folder) -> None:
    """Raises `StoreError` for a name that is taken, or a folder that is not there."""
    _require_folder(connection, folder.id)
    _refuse_taken(connection, folder)
    connection.execute("UPDATE folders SET name = ? WHERE id = ?", (folder.name, folder.id))


def delete_folder(connection: apsw.Connection, folder_id: str) -> None:
    """Its chats stay. Raises `StoreError`."""
    _require_folder(connection, folder_id)
    connection.execute("DELETE FROM folders WHERE id = ?", (folder_id,))


def folder_name(name: str) -> str:
    """``name`` as a folder may have it. Raises `StoreError` for a blank one."""
    clean = clean_name(name)
    if not clean:
        raise StoreError("A folder needs a name")
    return clean


def set_tags(connection: apsw.Connection, conversation_id: str, tags: Sequence[str]) -> None:
    """Give a chat these tags and no others. Raises `StoreError`."""
    there = connection.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation_id,)).get
    if there is None:
        raise StoreError(f"There is no chat with the id {conversation_id}")
    connection.execute("DELETE FROM tags WHERE conversation_id = ?", (conversation_id,))
    connection.executemany(INSERT_TAG, [(conversation_id, tag) for tag in tags])


def tags(connection: apsw.Connection) -> list[str]:
    """Every tag of a chat that is not in the trash, once, by name."""
    rows = connection.execute(
        "SELECT DISTINCT tag FROM tags JOIN conversations ON id = conversation_id"
        " WHERE deleted_at IS NULL"
    )
    return sorted((str(row[0]) for row in rows), key=lambda tag: (tag.casefold(), tag))


def _require_folder(connection: apsw.Connection, folder_id: str) -> None:
    if connection.execute("SELECT 1 FROM folders WHERE id = ?", (folder_id,)).get is None:
        raise StoreError(f"There is no folder with the id {folder_id}")


def _refuse_taken(connection: apsw.Connection, folder: Folder) -> None:
    for other in folders(connection):
        if other.id != folder.id and other.name.casefold() == folder.name.casefold():
            raise StoreError(f"There is a folder with the name “{other.name}” already")
