"""Older files are brought up to date with a copy kept; newer ones are left alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from minerva_desktop.errors import StoreError
from minerva_desktop.store.database import Database
from minerva_desktop.store.migrations import MIGRATIONS, Migration


def notes(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE notes (text TEXT)")


def stars(connection: apsw.Connection) -> None:
    connection.execute("ALTER TABLE notes ADD COLUMN stars INTEGER NOT NULL DEFAULT 3")


def broken(connection: apsw.Connection) -> None:
    connection.execute("ALTER TABLE notes ADD COLUMN half_done INTEGER")
    connection.execute("INSERT INTO no_such_table VALUES (1)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats.db"


def opened(path: Path, *migrations: Migration) -> Database:
    database = Database(path, migrations=migrations)
    try:
        database.open().result()
    except StoreError:
        closed(database)
        raise
    return database


def closed(database: Database) -> None:
    database.close().result()
    database.join()


def write_note(path: Path, text: str) -> None:
    database = opened(path, notes)
    database.write(
        lambda c: c.execute("INSERT INTO notes VALUES (?)", (text,)).fetchall(), durable=True
    ).result()
    closed(database)


def rows(database: Database) -> list[tuple[apsw.SQLiteValue, ...]]:
    return database.run(lambda c: c.execute("SELECT * FROM notes").fetchall()).result()


# Made anew at each opening, and nothing of a chat is in them.
PASSING = (".lock", "-shm")


def names(path: Path) -> list[str]:
    return sorted(contents(path))


def contents(path: Path) -> dict[str, bytes]:
    files = [
        file
        for file in path.parent.rglob("*")
        if file.is_file() and not file.name.endswith(PASSING)
    ]
    return {file.name: content for file in files if (content := file.read_bytes())}


def test_a_new_file_gets_the_schema_of_today(path: Path) -> None:
    database = Database(path)
    database.open().result()

    version = database.run(lambda c: c.execute("PRAGMA user_version").get).result()
    closed(database)

    assert version == len(MIGRATIONS)
    assert names(path) == ["chats.db"], "there was nothing to keep a copy of"


def test_an_older_file_is_migrated_and_a_copy_is_kept(path: Path) -> None:
    write_note(path, "from before")

    database = opened(path, notes, stars)

    assert rows(database) == [("from before", 3)]
    closed(database)
    kept, current = names(path)
    assert re.fullmatch(r"chats-\d{8}-\d{6}-migration\.db", kept)
    assert current == "chats.db"

    copy = opened(path.parent / "backups" / kept, notes)
    assert rows(copy) == [("from before",)]
    closed(copy)


def test_a_file_that_is_up_to_date_is_not_copied(path: Path) -> None:
    write_note(path, "a")
    write_note(path, "b")

    assert names(path) == ["chats.db"]


def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    write_note(path, "from before")

    with pytest.raises(StoreError, match="no_such_table"):
        opened(path, notes, stars, broken)

    database = opened(path, notes, stars)
    assert rows(database) == [("from before", 3)], "the good step before it stays"
    closed(database)


@pytest.mark.parametrize("in_log", [False, True], ids=["closed well", "killed"])
def test_a_newer_file_is_refused_and_left_untouched(path: Path, in_log: bool) -> None:
    if in_log:
        run_and_kill(path, "PRAGMA user_version = 2")
        assert path.with_name("chats.db-wal").stat().st_size > 0
    else:
        closed(opened(path, notes, stars))
    before = contents(path)

    with pytest.raises(StoreError, match=r"newer Minerva \(format 2, this one knows up to 1\)"):
        opened(path, notes)

    assert contents(path) == before


def test_killed_in_the_middle_of_a_migration(path: Path) -> None:
    write_note(path, "from before")
    run_and_kill(path, "BEGIN; ALTER TABLE notes ADD COLUMN half INTEGER; UPDATE notes SET half=1")

    database = opened(path, notes)
    assert rows(database) == [("from before",)]
    closed(database)

    database = opened(path, notes, stars)
    assert rows(database) == [("from before", 3)]
    closed(database)


def run_and_kill(path: Path, sql: str) -> None:
    """A process that runs ``sql`` on the file, writes its pages out and is killed."""
    script = """
import os, signal, sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL").fetchall()
connection.execute(sys.argv[2])
connection.cache_flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path), sql], check=False, timeout=30)
    assert done.returncode != 0
