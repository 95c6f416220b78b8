"""What a person is told about chats that were damaged."""

from __future__ import annotations

from pathlib import Path

import msgspec

from minerva_desktop.store.recovery import Recovery


def test_the_words_for_it() -> None:
    recovery = Recovery(
        damaged=Path("x/chats-damaged.db"),
        n_chats=1,
        n_messages=1234,
        n_lost_chats=1,
        n_lost_messages=2,
        may_miss_more=False,
        has_backups=True,
    )
    assert recovery.words == (
        "The file with your chats was damaged. 1,234 messages in 1 chat could be read, 2 messages"
        f" could not. 1 chat lost the title. The damaged file is kept as {recovery.damaged}; what"
        " is missing may be in a backup, in the folder backups beside it."
    )
    unsure = msgspec.structs.replace(recovery, may_miss_more=True)
    assert "could be read, at least 2 messages could not." in unsure.words
    nothing_known = msgspec.structs.replace(unsure, n_lost_messages=0, n_lost_chats=0)
    assert nothing_known.words.endswith(
        "chats-damaged.db; if anything is missing, it may be in a backup, in the folder backups."
    )
    without = msgspec.structs.replace(unsure, has_backups=False)
    assert without.words.endswith("chats-damaged.db; there is no backup of it.")
