"""Reading what can be read of a damaged file into a new one.

Runs on the database's thread. SQLite's own recovery is not part of apsw, so this goes row by row:
the numbers of a table's rows are taken from the table itself, from both ends, and from its
indexes, which lie elsewhere in the file; each row is then read alone, and those that cannot be are
counted. Where SQLite reads nothing at all, `store.recovery_pages` goes through the pages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import apsw
import msgspec

from minerva_desktop.store.backup_files import FOLDER
from minerva_desktop.store.migrations import Migration
from minerva_desktop.store.recovery_pages import Value, rows_of

logger = logging.getLogger(__name__)

# In the order in which one needs the other.
TABLES = ("folders", "samplings", "blobs", "conversations", "messages", "tags")
# How values of a column's type are stored; a number of a row is not stored among its values.
KINDS: dict[str, tuple[type, ...]] = {
    "TEXT": (str,), "INTEGER": (int,), "REAL": (int, float), "BLOB": (bytes,),
}  # fmt: skip
NUMBERED = ("INTEGER", False, True)
UNTITLED = "Recovered chat"

# What was read may miss what it refers to.
ADOPT = f"""
    INSERT INTO conversations (id, title, folded_title, title_source, created_at, updated_at,
        parameters, system_prompt)
    SELECT conversation_id, '{UNTITLED}', '{UNTITLED.lower()}', 'first_words', min(created_at),
        max(created_at), '{{}}', ''
    FROM messages WHERE conversation_id NOT IN (SELECT id FROM conversations)
    GROUP BY conversation_id
"""
REPAIRS = """
    UPDATE messages SET sampling_id = NULL
    WHERE sampling_id IS NOT NULL AND sampling_id NOT IN (SELECT id FROM samplings);

    -- A reply to what is lost replies to what came before it.
    UPDATE messages SET parent_id = (
        SELECT id FROM messages AS earlier
        WHERE earlier.conversation_id = messages.conversation_id AND earlier.seq < messages.seq
            AND earlier.deleted_at IS NULL
        ORDER BY earlier.seq DESC LIMIT 1)
    WHERE parent_id IS NOT NULL AND parent_id NOT IN (SELECT id FROM messages);

    UPDATE conversations SET active_leaf_id = (
        SELECT id FROM messages
        WHERE conversation_id = conversations.id AND deleted_at IS NULL
        ORDER BY seq DESC LIMIT 1)
    WHERE active_leaf_id IS NULL OR active_leaf_id NOT IN (SELECT id FROM messages);

    UPDATE conversations SET folder_id = NULL
    WHERE folder_id IS NOT NULL AND folder_id NOT IN (SELECT id FROM folders);

    DELETE FROM tags WHERE conversation_id NOT IN (SELECT id FROM conversations);
"""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a damaged file, which lies at ``damaged`` now. ``n_lost_messages`` are
    those that are known of and cannot be read; there may have been more. ``n_lost_chats`` are
    chats of which messages are there but not their title."""

    damaged: Path
    n_chats: int
    n_messages: int
    n_lost_chats: int
    n_lost_messages: int

    @property
    def words(self) -> str:
        """What happened, and what can be done, for a person."""
        text = (
            f"The file with your chats was damaged. {_count(self.n_messages, 'message')} in"
            f" {_count(self.n_chats, 'chat')} could be read"
        )
        if self.n_lost_messages:
            text += f", {_count(self.n_lost_messages, 'message')} could not"
        text += "."
        if self.n_lost_chats:
            text += f" {_count(self.n_lost_chats, 'chat')} lost the title."
        text += f" The damaged file is kept as {self.damaged.name}"
        if self.n_lost_messages or self.n_lost_chats or not self.n_messages:
            text += f"; what is missing may be in a backup, in the folder {FOLDER} beside it"
        return text + "."


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def recover(damaged: Path, new: apsw.Connection, migrations: Sequence[Migration]) -> int:
    """Fill ``new``, an empty database without foreign keys, and bring its schema to as many steps
    as the damaged file's; how many rows of messages are lost."""
    lost = dict.fromkeys(TABLES, 0)
    with closing(apsw.Connection(str(damaged))) as old:
        # The damaged file stays as it was found.
        old.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        # Without this SQLite reads nothing of a file that is shorter than it should be.
        old.execute("PRAGMA writable_schema = ON").fetchall()
        version = _version(old, len(migrations))
        for number, step in enumerate(migrations[:version], start=1):
            step(new)
            new.execute(f"PRAGMA user_version = {number}")
        for table in TABLES:
            columns = _shared_columns(old, new, table)
            if columns:
                lost[table] = _copy_table(old, new, table, columns)
    if not new.execute("SELECT EXISTS (SELECT 1 FROM messages)").get:
        _copy_pages(damaged, new)
    return lost["messages"]


def repair(new: apsw.Connection) -> int:
    """Make whole what `recover` read, at today's schema; how many chats have no title left."""
    new.execute(ADOPT)
    n_adopted = new.changes()
    new.execute(REPAIRS)
    return n_adopted


def _copy_pages(damaged: Path, new: apsw.Connection) -> None:
    """Copy the rows that are found without SQLite, by what they look like."""
    shapes = {}
    for table in TABLES:
        info = new.execute('SELECT type, "notnull", pk FROM pragma_table_info(?)', (table,))
        shapes[table] = [(str(kind), bool(needed), bool(key)) for kind, needed, key in info]
    for rowid, values in rows_of(damaged):
        for table, shape in shapes.items():
            if _fits(values, shape) and (table != "samplings" or str(values[1]).startswith("{")):
                if shape[0] == NUMBERED:
                    values[0] = rowid
                marks = ", ".join("?" * len(values))
                with suppress(apsw.ConstraintError):  # a row that is damaged in itself
                    new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
                break


def _fits(values: Sequence[Value], shape: Sequence[tuple[str, bool, bool]]) -> bool:
    if len(values) != len(shape) or not values:
        return False
    for value, (kind, is_needed, is_key) in zip(values, shape, strict=True):
        if value is None:
            if is_needed and (kind, is_needed, is_key) != NUMBERED:
                return False
        elif not isinstance(value, KINDS[kind]) or (kind, is_needed, is_key) == NUMBERED:
            return False
    return True


def _version(old: apsw.Connection, known: int) -> int:
    """The schema's number; the latest where it cannot be read."""
    try:
        version = int(str(old.execute("PRAGMA user_version").get))
    except apsw.Error:
        return known
    return version if 0 < version <= known else known


def _shared_columns(old: apsw.Connection, new: apsw.Connection, table: str) -> list[str]:
    names = []
    for connection in (old, new):
        try:
            rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        except apsw.Error as error:
            logger.warning("the damaged file's table %s is not readable: %s", table, error)
            return []
        names.append([str(row[0]) for row in rows])
    return [name for name in names[1] if name in names[0]]


def _copy_table(
    old: apsw.Connection, new: apsw.Connection, table: str, columns: Sequence[str]
) -> int:
    """Copy all rows that can be read; how many cannot."""
    names = ", ".join(columns)
    # As bytes: some of a text may be damaged.
    raw = ", ".join(f"iif(typeof({c}) = 'text', CAST({c} AS BLOB), {c})" for c in columns)
    kinds = ", ".join(f"typeof({c}) = 'text'" for c in columns)
    select = f"SELECT {raw}, {kinds} FROM {table} WHERE rowid = ?"
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
    n_lost = 0
    for rowid in sorted(_rowids(old, table)):
        try:
            row = old.execute(select, (rowid,)).fetchone()
            if row is None:
                n_lost += 1
            else:
                new.execute(insert, _with_texts(row))
        except apsw.Error:
            n_lost += 1
    return n_lost


def _with_texts(row: tuple[apsw.SQLiteValue, ...]) -> list[apsw.SQLiteValue]:
    """The first half of the row, as text where the second says so."""
    width = len(row) // 2
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) and is_text else value
        for value, is_text in zip(row[:width], row[width:], strict=True)
    ]


def _rowids(old: apsw.Connection, table: str) -> set[int]:
    """The numbers of all rows that something in the file knows of."""
    found: set[int] = set()
    for source, order in (("NOT INDEXED", "rowid"), *_indexes(old, table)):
        for direction in ("ASC", "DESC"):
            statement = f"SELECT rowid FROM {table} {source} ORDER BY {order} {direction}"
            found.update(_readable(old, statement))
    return found


def _indexes(old: apsw.Connection, table: str) -> list[tuple[str, str]]:
    """``INDEXED BY`` and the first column of the indexes that hold all rows of the table."""
    statement = """
        SELECT list.name, info.name FROM pragma_index_list(?) AS list
        JOIN pragma_index_info(list.name) AS info WHERE list.partial = 0 AND info.seqno = 0
    """
    try:
        rows = old.execute(statement, (table,)).fetchall()
    except apsw.Error:
        return []
    return [(f'INDEXED BY "{name}"', str(column)) for name, column in rows]


def _readable(old: apsw.Connection, statement: str) -> Iterator[int]:
    """The first column, up to the first damage."""
    try:
        for row in old.execute(statement):
            yield int(str(row[0]))
    except apsw.Error:
        return
