"""What is said while the disk takes no changes of chats."""

from __future__ import annotations

import pytest

from minerva_desktop.app.chat_care import saving_trouble
from minerva_desktop.store.database import DiskTrouble


@pytest.mark.parametrize(
    ("n_writes", "waits"), [(0, "Changes wait"), (1, "1 change waits"), (12, "12 changes wait")]
)
def test_it_says_what_waits_and_where(n_writes: int, waits: str) -> None:
    """Where the folder is read-only, it begins with no change."""
    trouble = DiskTrouble(
        reason="the disk is full", remedy="Make room", n_writes=n_writes, seconds=3, free_bytes=0
    )
    said = saving_trouble(trouble)
    assert said is not None
    assert said.text == (
        f"The chats cannot be saved: the disk is full. {waits} in memory, and the disk is tried "
        "again every few seconds. Nothing is lost while Minerva runs."
    )
