"""The app is killed while it streams and while it migrates: what was acknowledged is on disk."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from minerva_desktop.chat.message import MessageState
from minerva_desktop.store.chat_store import ChatStore
from tests.store.test_old_chats import DATA

ROUNDS = pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.slow)])
N_OLD_CHATS = 10
N_OLD_MESSAGES = 40


@ROUNDS
async def test_a_killed_app_loses_nothing_it_acknowledged(tmp_path: Path, rounds: int) -> None:
    said = killed_apps("stream", tmp_path, rounds)

    assert [words for words in said if "damaged" in words] == []
    path = tmp_path / "chats.db"
    assert integrity(path) == "ok"
    store = await ChatStore.open(path)
    assert store.recovery is None
    listed = {chat.title: chat.id for chat in await store.list_conversations()}
    chats = [await store.load(listed[f"round {number}"]) for number in range(rounds)]
    assert await store.check() == []
    await store.close()

    for chat, words in zip(chats, said, strict=True):
        question, *answers = chat
        assert question.text == "What is on your mind?"
        acknowledged: list[int] = words["answers"]
        assert len(answers) >= len(acknowledged)
        for answer, length in zip(answers, acknowledged, strict=False):
            assert answer.text == "word " * (len(answer.text) // 5)
            assert len(answer.text) >= length
        states = [answer.state for answer in answers]
        assert set(states[:-1]) <= {MessageState.COMPLETE}
        assert set(states[-1:]) <= {MessageState.COMPLETE, MessageState.INTERRUPTED}
    assert sum(len(words["answers"]) for words in said) > rounds, "they came to write"


@ROUNDS
def test_an_app_that_is_killed_while_it_migrates_loses_nothing(tmp_path: Path, rounds: int) -> None:
    old = tmp_path / "old.db"
    write_many(old)
    content = old.read_bytes()
    for number in range(rounds):
        (tmp_path / f"old-{number}.db").write_bytes(content)

    said = killed_apps("migrate", tmp_path, rounds)

    for number in range(rounds):
        assert asyncio.run(n_stored(tmp_path / f"old-{number}.db")) == N_OLD_CHATS * N_OLD_MESSAGES
    assert {"begun"} in [words.keys() for words in said], "some were in the middle of it"


def killed_apps(kind: str, folder: Path, rounds: int) -> list[dict[str, Any]]:
    """What each of them said last."""
    seed = random.randrange(10**6)
    command = [sys.executable, "-m", "tests.store.killed_writers"]
    done = subprocess.run(
        [*command, kind, str(folder), str(rounds), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == rounds, f"seed {seed}"
    return said


def write_many(path: Path) -> None:
    """A file of the first schema with as many messages as take some time to migrate."""
    connection = apsw.Connection(str(path))
    schema, _, _ = (DATA / "schema_v1.sql").read_text(encoding="utf-8").partition("INSERT")
    connection.execute(schema)
    connection.execute("PRAGMA user_version = 1")
    with connection:
        for chat in range(N_OLD_CHATS):
            connection.execute(
                "INSERT INTO conversations VALUES (?, 'x', 1, 1, NULL, '', '{}', NULL, NULL)",
                (f"c{chat}",),
            )
            for n in range(N_OLD_MESSAGES):
                connection.execute(
                    "INSERT INTO messages VALUES (?, ?, ?, ?, 'user', ?, 'complete', ?, NULL,"
                    " NULL, NULL)",
                    (f"m{chat}-{n}", f"c{chat}", f"m{chat}-{n - 1}" if n else None, n,
                     "word " * 50, float(n)),
                )  # fmt: skip
    connection.close()


async def n_stored(path: Path) -> int:
    """Messages in all chats, each in one long branch."""
    assert integrity(path) == "ok"
    store = await ChatStore.open(path)
    assert store.recovery is None
    chats = [await store.load(chat.id) for chat in await store.list_conversations()]
    await store.close()
    assert {message.text for chat in chats for message in chat} == {"word " * 50}
    return sum(len(chat) for chat in chats)


def integrity(path: Path) -> str:
    connection = apsw.Connection(str(path))
    report = str(connection.execute("PRAGMA integrity_check").get)
    # Leave the log in place, as the crash did.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.close()
    return report
