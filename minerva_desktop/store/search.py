"""Finding text in titles and messages whatever its case, in any script.

Used by `chat_store`; everything here runs on the database's thread. SQLite's own LIKE folds the
case of ASCII letters only, hence a function of our own, which knows no wildcards either.
"""

from __future__ import annotations

import unicodedata

import apsw


def install(connection: apsw.Connection) -> None:
    """Give ``connection`` the SQL function ``contains_folded(text, folded_needle)``."""
    connection.create_scalar_function("contains_folded", _contains, 2, deterministic=True)


def fold(text: str) -> str:
    """``text`` without the difference between cases, and between é written as one or two marks."""
    return unicodedata.normalize("NFC", text.casefold())


def _contains(*values: apsw.SQLiteValue) -> bool:
    text, folded_needle = map(str, values)
    return folded_needle in fold(text)
