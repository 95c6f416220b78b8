"""`python -m tests.store.killed_writers stream|migrate FOLDER ROUNDS SEED`: apps that are killed.

Each round is a child of this process, which has everything imported already, so that a round costs
milliseconds. A child opens the chats, writes a line on a pipe for each thing that was acknowledged,
and is killed at a random moment. The last words of each round are printed as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec

from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.store.chat_store import ChatStore
from tests.chat.samples import make_conversation, make_message

Say = Callable[[object], None]


async def stream(path: Path, round_number: int, say: Say) -> None:
    """Answers that grow and end, one after the other, in a chat of this round's."""
    store = await ChatStore.open(path)
    if store.recovery is not None:
        say({"damaged": str(store.recovery)})
        return
    chat = make_conversation("What is on your mind?", title=f"round {round_number}")
    await store.create(chat)
    say({"answers": []})
    ended: list[int] = []
    while True:
        answer = make_message("", list(chat)[-1], role=Role.ASSISTANT, state=MessageState.STREAMING)
        chat.add(answer)
        await store.add_message(chat.id, answer)
        for words in range(1, 30):
            answer = msgspec.structs.replace(answer, text="word " * words * (len(ended) + 1))
            await store.flush_text(answer.id, answer.text)
            say({"answers": [*ended, len(answer.text)]})
        await store.update_message(msgspec.structs.replace(answer, state=MessageState.COMPLETE))
        ended.append(len(answer.text))
        await store.save_draft(chat.id, "draft " * len(ended))


async def migrate(path: Path, round_number: int, say: Say) -> None:
    """A file of an old schema is opened."""
    say({"begun": round_number})
    await ChatStore.open(path.with_name(f"old-{round_number}.db"))
    say({"migrated": round_number})
    await asyncio.sleep(60.0)


WORK: dict[str, Callable[[Path, int, Say], Coroutine[None, None, None]]] = {
    "stream": stream,
    "migrate": migrate,
}

# Seconds: a migration is over soon.
PATIENCE = {"stream": 0.12, "migrate": 0.04}


def main(kind: str, folder: str, rounds: str, seed: str) -> None:
    """All rounds, one after the other."""
    chance = random.Random(int(seed))
    for number in range(int(rounds)):
        patience = chance.uniform(0.0, PATIENCE[kind])
        print(json.dumps(one_round(kind, Path(folder) / "chats.db", number, patience)), flush=True)


def one_round(kind: str, path: Path, number: int, patience: float) -> object:
    """The last thing that a child said which was killed ``patience`` seconds after its first."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)

        def say(words: object) -> None:
            os.write(writing, json.dumps(words).encode() + b"\n")

        asyncio.run(WORK[kind](path, number, say))
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 1 << 16)
    time.sleep(patience)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reading, 1 << 16):
        said += more
    os.close(reading)
    return json.loads(said.decode().splitlines()[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
