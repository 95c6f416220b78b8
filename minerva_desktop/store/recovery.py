"""Reading what can be read of a damaged file into a new one.

Runs on the database's thread. SQLite's own recovery is not part of apsw, so this goes row by row:
the numbers of a table's rows are taken from the table itself, from both ends, and from its
indexes, which lie elsewhere in the file; each row is then read alone. SQLite goes no further than
to the first damage, so where it met any, `store.recovery_pages` goes through all pages for the
rest: for rows, and for entries of indexes, which tell of messages that cannot be read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import apsw
import msgspec

from minerva_desktop.paths import BACKUPS
from minerva_desktop.store.migrations import Migration
from minerva_desktop.store.recovery_pages import Value, index_entries_of, rows_of

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
    those that are known of and cannot be read; ``may_miss_more``: nobody knows whether there were
    others. ``n_lost_chats`` are chats of which messages are there but not their title.
    ``has_backups``: there is one to look into."""

    damaged: Path
    n_chats: int
    n_messages: int
    n_lost_chats: int
    n_lost_messages: int
    may_miss_more: bool
    has_backups: bool

    @property
    def words(self) -> str:
        """What happened, and what can be done, for a person."""
        text = (
            f"The file with your chats was damaged. {_count(self.n_messages, 'message')} in"
            f" {_count(self.n_chats, 'chat')} could be read"
        )
        if self.n_lost_messages:
            least = "at least " if self.may_miss_more else ""
            text += f", {least}{_count(self.n_lost_messages, 'message')} could not"
        text += "."
        if self.n_lost_chats:
            text += f" {_count(self.n_lost_chats, 'chat')} lost the title."
        text += f" The damaged file is kept as {self.damaged}"
        misses = bool(self.n_lost_messages or self.n_lost_chats or not self.n_messages)
        if not self.has_backups:
            text += "; there is no backup of it" if misses or self.may_miss_more else ""
        elif misses:
            text += f"; what is missing may be in a backup, in the folder {BACKUPS} beside it"
        elif self.may_miss_more:
            text += f"; if anything is missing, it may be in a backup, in the folder {BACKUPS}"
        return text + "."


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


class _Table:
    """What is known of a table's rows, by their numbers. ``is_walked``: SQLite read it from one end
    to the other."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.copied: set[int] = set()
        self.is_walked = False

    @property
    def n_lost(self) -> int:
        return len(self.known - self.copied)


def recover(
    damaged: Path, new: apsw.Connection, migrations: Sequence[Migration]
) -> tuple[int, bool]:
    """Fill ``new``, an empty database without foreign keys, and bring its schema to as many steps
    as the damaged file's; how many messages are known to be lost, and whether there may be more."""
    tables = {name: _Table() for name in TABLES}
    with closing(apsw.Connection(str(damaged))) as old:
        # The damaged file stays as it was found.
        old.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with suppress(apsw.Error):  # where nothing can be read, nothing needs it
            # Without this SQLite reads nothing of a file that is shorter than it should be.
            old.execute("PRAGMA writable_schema = ON").fetchall()
        version = _version(old, len(migrations))
        for number, step in enumerate(migrations[:version], start=1):
            step(new)
            new.execute(f"PRAGMA user_version = {number}")
        for name, table in tables.items():
            columns = _shared_columns(old, new, name)
            if columns:
                _copy_table(old, new, name, columns, table)
    incomplete = {name: t for name, t in tables.items() if not t.is_walked or t.n_lost}
    if incomplete:
        _copy_pages(damaged, new, incomplete)
    messages = tables["messages"]
    if not messages.is_walked:
        messages.known.update(_indexed_messages(damaged))
    return messages.n_lost, not messages.is_walked


def _indexed_messages(damaged: Path) -> Iterator[int]:
    """The numbers of rows in the index over the place of a message in its chat, which no other
    index looks like."""
    for entry in index_entries_of(damaged):
        match entry:
            case [str(), int(), int(row)]:
                yield row


def repair(new: apsw.Connection) -> int:
    """Make whole what `recover` read, at today's schema; how many chats have no title left."""
    new.execute(ADOPT)
    n_adopted = new.changes()
    new.execute(REPAIRS)
    return n_adopted


def _copy_pages(damaged: Path, new: apsw.Connection, incomplete: Mapping[str, _Table]) -> None:
    """Copy the rows of some tables that are found without SQLite, by what they look like, where
    they are not there yet."""
    shapes = {}
    for name in TABLES:
        info = new.execute('SELECT type, "notnull", pk FROM pragma_table_info(?)', (name,))
        shapes[name] = [(str(kind), bool(needed), bool(key)) for kind, needed, key in info]
    for rowid, found in rows_of(damaged):
        for name, shape in shapes.items():
            # One that was written before a column came to its table ends there.
            values = [*found, *[None] * (len(shape) - len(found))]
            if _fits(values, shape) and (name != "samplings" or str(values[1]).startswith("{")):
                if name in incomplete and rowid not in incomplete[name].copied:
                    if shape[0] == NUMBERED:
                        values[0] = rowid
                    incomplete[name].known.add(rowid)
                    if _is_added(new, name, values):
                        incomplete[name].copied.add(rowid)
                break


def _is_added(new: apsw.Connection, table: str, values: Sequence[Value]) -> bool:
    marks = ", ".join("?" * len(values))
    try:
        new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
    except apsw.ConstraintError:  # a row that is damaged in itself
        return False
    return new.changes() > 0


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
    old: apsw.Connection, new: apsw.Connection, name: str, columns: Sequence[str], table: _Table
) -> None:
    """Copy all rows that SQLite reads."""
    names = ", ".join(columns)
    # As bytes: some of a text may be damaged.
    raw = ", ".join(f"iif(typeof({c}) = 'text', CAST({c} AS BLOB), {c})" for c in columns)
    kinds = ", ".join(f"typeof({c}) = 'text'" for c in columns)
    select = f"SELECT {raw}, {kinds} FROM {name} WHERE rowid = ?"
    insert = f"INSERT OR IGNORE INTO {name} ({names}) VALUES ({', '.join('?' * len(columns))})"
    _find_rows(old, name, table)
    for rowid in sorted(table.known):
        with suppress(apsw.Error):
            row = old.execute(select, (rowid,)).fetchone()
            if row is not None:
                new.execute(insert, _with_texts(row))
                table.copied.add(rowid)


def _with_texts(row: tuple[apsw.SQLiteValue, ...]) -> list[apsw.SQLiteValue]:
    """The first half of the row, as text where the second says so."""
    width = len(row) // 2
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) and is_text else value
        for value, is_text in zip(row[:width], row[width:], strict=True)
    ]


def _find_rows(old: apsw.Connection, name: str, table: _Table) -> None:
    """The numbers of all rows to which SQLite finds a way, through the table or an index."""
    own = "NOT INDEXED"
    for source, order in ((own, "rowid"), *_indexes(old, name)):
        for direction in ("ASC", "DESC"):
            statement = f"SELECT rowid FROM {name} {source} ORDER BY {order} {direction}"
            is_whole = _read_numbers(old, statement, table.known)
            table.is_walked = table.is_walked or (is_whole and source == own)


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


def _read_numbers(old: apsw.Connection, statement: str, numbers: set[int]) -> bool:
    """Add the first column, up to the first damage; whether there was none."""
    try:
        for row in old.execute(statement):
            numbers.add(int(str(row[0])))
    except apsw.Error:
        return False
    return True
