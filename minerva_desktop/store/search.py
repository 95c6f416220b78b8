"""Finding text in titles and messages whatever its case, in any script.

Used by `chat_store`; everything here runs on the database's thread. SQLite's own LIKE folds the
case of ASCII letters only, hence a function of our own, which knows no wildcards either.
"""

from __future__ import annotations

import unicodedata

import apsw

SELECT_MATCHING = """
    SELECT id FROM conversations WHERE contains_folded(title, ?1)
    UNION
    SELECT conversation_id FROM messages WHERE deleted_at IS NULL AND contains_folded(text, ?1)
"""


def install(connection: apsw.Connection) -> None:
    """Give ``connection`` the SQL function ``contains_folded(text, folded_needle)``."""
    connection.create_scalar_function("contains_folded", _contains, 2, deterministic=True)


def fold(text: str) -> str:
    """``text`` without the difference between cases, and between é written as one or two marks."""
    return unicodedata.normalize("NFC", text.casefold())


def matching(connection: apsw.Connection, folded_needle: str) -> set[str]:
    """Ids of the chats that have it in their title or in a message of any branch."""
    return {str(row[0]) for row in connection.execute(SELECT_MATCHING, (folded_needle,))}


def _contains(*values: apsw.SQLiteValue) -> bool:
    text, folded_needle = map(str, values)
    return folded_needle in fold(text)
