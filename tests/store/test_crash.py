"""The app is killed in the middle of an answer: what was acknowledged is on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from minerva_desktop.chat.message import MessageState
from minerva_desktop.store.chat_store import ChatStore

# Streams an endless answer; a line on stdout says how many words are flushed.
WRITER = """
import asyncio, sys
from pathlib import Path
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.store.chat_store import ChatStore
from tests.chat.samples import make_conversation, make_message

async def main():
    store = await ChatStore.open(Path(sys.argv[1]))
    conversation = make_conversation("What is on your mind?", title="Endless")
    await store.create(conversation)
    answer = make_message(
        "", conversation.active_branch()[-1], role=Role.ASSISTANT, state=MessageState.STREAMING
    )
    await store.add_message(conversation.id, answer)
    words = 0
    while True:
        words += 1
        await store.flush_text(answer.id, "word " * words)
        print(words, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("flushes", [1, 7, 300])
async def test_a_killed_app_loses_nothing_it_acknowledged(tmp_path: Path, flushes: int) -> None:
    path = tmp_path / "chats.db"
    acknowledged = kill_while_streaming(path, flushes)

    assert integrity(path) == "ok"
    store = await ChatStore.open(path)
    assert store.recovery is None
    (summary,) = await store.list_conversations()
    question, answer = (await store.load(summary.id)).active_branch()
    await store.close()

    assert summary.title == "Endless"
    assert (question.text, question.state) == ("What is on your mind?", MessageState.COMPLETE)
    assert answer.state is MessageState.INTERRUPTED
    assert answer.text == "word " * (len(answer.text) // 5)
    assert len(answer.text) // 5 >= acknowledged


def kill_while_streaming(path: Path, flushes: int) -> int:
    """Kill a writer after that many acknowledgements; how many there were when it died."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as writer:
        assert writer.stdout is not None
        acknowledged = 0
        for line in writer.stdout:
            acknowledged = int(line)
            if acknowledged == flushes:
                writer.kill()
    assert acknowledged >= flushes
    return acknowledged


def integrity(path: Path) -> str:
    connection = apsw.Connection(str(path))
    report = str(connection.execute("PRAGMA integrity_check").get)
    # Leave the log in place, as the crash did.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.close()
    return report
