"""Bytes that messages name by their digest. Runs on the database's thread."""

from __future__ import annotations

import apsw

from minerva_desktop.errors import StoreError

# An image is stored before the message that it comes with.
GRACE_SECONDS = 24 * 3600.0

# Bytes that are stored again are needed again.
STORE = """
    INSERT INTO blobs (digest, stored_at, bytes) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET stored_at = excluded.stored_at
"""
SELECT = "SELECT bytes FROM blobs WHERE digest = ?"
PURGE = """
    DELETE FROM blobs WHERE stored_at < ? AND digest NOT IN (
        SELECT json_extract(value, '$.digest')
        FROM messages, json_each(iif(json_valid(parts), parts, '[]'))
        WHERE instr(parts, '"image"') > 0 AND json_extract(value, '$.digest') IS NOT NULL)
"""


def store(connection: apsw.Connection, digest: str, now: float, content: bytes) -> None:
    """Keep ``content``, if it is not there."""
    connection.execute(STORE, (digest, now, content))


def read(connection: apsw.Connection, digest: str) -> bytes:
    """Raises `StoreError` where there are no such bytes."""
    row = connection.execute(SELECT, (digest,)).fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise StoreError(f"There is no image with the digest {digest}")
    return row[0]


def purge(connection: apsw.Connection, now: float) -> None:
    """Destroy those that no message names, unless they are new."""
    connection.execute(PURGE, (now - GRACE_SECONDS,))
