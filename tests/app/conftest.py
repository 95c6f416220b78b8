"""Fixtures for tests of what people do in chats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from tests.app.desk import Desk

# Tests that have the disk refuse something lock the file, and nothing else does.
REFUSED_AFTER_MS = 250


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the chats are."""
    return tmp_path / "chats.sqlite3"


@pytest.fixture
async def desk(database: Path, tmp_path: Path) -> AsyncIterator[Desk]:
    """Chats on a disk of their own."""
    store = ChatStore(Database(database, busy_timeout_ms=REFUSED_AFTER_MS))
    await store.start()
    desk = Desk(store, tmp_path / "snapshots")
    yield desk
    await desk.library.close()
