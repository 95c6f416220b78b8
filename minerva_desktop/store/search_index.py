"""What makes the search fast: an index over the words of messages, kept up behind the writes.

Runs on the database's thread. Triggers note in ``unindexed`` which messages are new, changed or
destroyed, an answer once it has ended; `index_some` takes them up afterwards, so that no write
waits for it and none is forgotten, whatever wrote it: a migration, an import, a recovery.

The index is FTS5 over three characters at a time, which finds any part of a word in any script. It
is given folded text (`store.text_folding`) and keeps none, so that it is a third smaller, and a
message leaves it without its old text being known. For each half year (a message's row is its
time) there is one: where three characters are common and the word is not, FTS5 looks through all
that it has without a pause, which for a million messages takes 90 ms. Shorter words are found by
``search_chunks``: for all messages of about the same time, which characters and which pairs of
ASCII characters are in them. That says where to look.
"""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from itertools import islice

import apsw

from minerva_desktop.store.searched_text import SEARCHED_TEXT
from minerva_desktop.store.text_folding import fold

MIN_INDEXED = 3  # characters of a word that the index can find
PART_BITS = 24  # of a row, so of seconds: half a year
CHUNK_BITS = 14  # of a row, so of seconds: 4.5 hours
BATCH_MESSAGES = 100
BATCH_CHARACTERS = 50_000  # about 20 ms; a message that is longer goes alone
ASCII_RUN = re.compile(r"[\x00-\x7f]+")

# Not a join: SQLite may think that it is better to go through all messages.
SELECT_WAITING = f"""
    SELECT row, (SELECT {SEARCHED_TEXT} FROM messages WHERE messages.row = unindexed.row)
    FROM unindexed
    ORDER BY row DESC LIMIT ?
"""
CREATE_PART = """
    CREATE VIRTUAL TABLE {} USING fts5(
        text, content = '', contentless_delete = 1, tokenize = 'trigram case_sensitive 1')
"""
SELECT_CHUNK = "SELECT grams FROM search_chunks WHERE id = ?"
SET_CHUNK = "INSERT OR REPLACE INTO search_chunks (id, grams) VALUES (?, ?)"


def index_some(connection: apsw.Connection) -> bool:
    """Take up some of the messages that wait, the newest first; whether more do."""
    texts: dict[int, str | None] = {}
    n_characters = 0
    for row, text in connection.execute(SELECT_WAITING, (BATCH_MESSAGES,)):
        folded = None if text is None else fold(str(text))
        n_characters += len(folded or "")
        if texts and n_characters > BATCH_CHARACTERS:
            break
        texts[int(str(row))] = folded
    chunks: dict[int, set[str]] = defaultdict(set)
    for row in sorted(texts):  # FTS5 writes a piece of its own for each step back
        folded = texts[row]
        _index(connection, row, folded)
        if folded is not None:
            chunks[row >> CHUNK_BITS] |= grams_of(folded)
    for chunk, grams in chunks.items():
        _extend_chunk(connection, chunk, grams)
    connection.executemany("DELETE FROM unindexed WHERE row = ?", [(row,) for row in texts])
    return is_waiting(connection)


def part_name(part: int) -> str:
    """The index of a half year."""
    return f"message_index_{part}"


def is_waiting(connection: apsw.Connection) -> bool:
    """Whether there are messages that the search cannot find yet."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM unindexed)").get)


def n_waiting(connection: apsw.Connection) -> int:
    """How many messages the search cannot find yet."""
    return int(str(connection.execute("SELECT count(*) FROM unindexed").get))


def grams_of(folded: str) -> set[str]:
    """The characters of a folded text, and its pairs of ASCII characters."""
    line = folded.replace("\n", " ")
    grams = set(line)
    for run in ASCII_RUN.findall(line):
        grams.update(map(operator.add, run, islice(run, 1, None)))
    return grams


def gram_conditions(words: tuple[str, ...]) -> tuple[str, list[str]]:
    """SQL, and its bindings, that hold for each chunk in which these folded words may be."""
    grams: list[str] = []
    for word in words:
        pairs = [word[place : place + 2] for place in range(len(word) - 1)]
        grams += [pair for pair in pairs if pair.isascii()]
        grams += [character for character in word if len(word) == 1 or not character.isascii()]
    return "".join(" AND instr(grams, ?) > 0" for _ in grams), grams


def _index(connection: apsw.Connection, row: int, folded: str | None) -> None:
    """None for a message that is not there any more."""
    part = row >> PART_BITS
    name = part_name(part)
    is_there = connection.execute("SELECT 1 FROM search_parts WHERE id = ?", (part,)).get
    if not is_there and folded is not None:
        connection.execute(CREATE_PART.format(name))
        connection.execute("INSERT INTO search_parts VALUES (?)", (part,))
    if folded is not None:
        statement = f"INSERT OR REPLACE INTO {name} (rowid, text) VALUES (?, ?)"
        connection.execute(statement, (row, folded))
    elif is_there:
        connection.execute(f"DELETE FROM {name} WHERE rowid = ?", (row,))


def _extend_chunk(connection: apsw.Connection, chunk: int, grams: set[str]) -> None:
    known = connection.execute(SELECT_CHUNK, (chunk,)).get
    before = set(str(known).split("\n")) if known is not None else set()
    if not grams <= before:
        connection.execute(SET_CHUNK, (chunk, "\n".join(sorted(before | grams))))
