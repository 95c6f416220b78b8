"""Ten thousand chats and a million messages: `bench.py store`.

The file is written anew for each run (some minutes), in a temporary folder. A search is measured
to its first page, which is what a person waits for; how long it takes to its end is a figure of
its own.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench_report import Figure, Target
from bench_store_data import MODELS, N_CHATS, N_MESSAGES, Words, write_chats
from minerva_desktop.chat.conversation import Conversation, new_id
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.store.chat_store import ChatStore

N_OPENED = 40
N_APPENDED = 100
N_QUERIES = 20
P95 = 0.95


def measure(model: Path, runs: int) -> list[Figure]:
    """All figures."""
    words = Words(model)
    with tempfile.TemporaryDirectory(prefix="minerva-bench-") as folder:
        path = Path(folder) / "chats.sqlite3"
        ids = write_chats(path, words)
        return asyncio.run(_Bench(path, ids, words, runs).figures())


class _Bench:
    def __init__(self, path: Path, ids: Sequence[str], words: Words, runs: int) -> None:
        self._path = path
        self._ids = ids
        self._words = words
        self._runs = runs
        self._random = random.Random(7)

    async def figures(self) -> list[Figure]:
        """In the order of the table."""
        figures = [await self._start()]
        store = await ChatStore.open(self._path)
        try:
            figures += await self._reading(store)
            figures += await self._searching(store)
            figures += await self._appending(store)
            figures += await self._backing_up(store)
        finally:
            await store.close()
        figures.append(
            Figure("size of the file", "MB", (self._path.stat().st_size / 1e6,) * self._runs)
        )
        return figures

    async def _start(self) -> Figure:
        samples = []
        for _ in range(self._runs):
            started = time.perf_counter()
            store = await ChatStore.open(self._path)
            await store.list_conversations()
            samples.append(_milliseconds(started))
            await store.close()
        return Figure(
            f"start: open and list {N_CHATS:,} chats", "ms", tuple(samples), Target(100.0)
        )

    async def _reading(self, store: ChatStore) -> list[Figure]:
        long = self._ids[0]
        return [
            Figure(
                f"list {N_CHATS:,} chats",
                "ms",
                await self._each(store.list_conversations),
                Target(100.0),
            ),
            Figure(
                "open any chat, p95",
                "ms",
                await self._p95(self._some_chats(store)),
                Target(50.0),
            ),
            Figure(
                "open a chat of 10,000 messages",
                "ms",
                await self._each(lambda: store.load(long)),
                Target(50.0),
            ),
        ]

    async def _searching(self, store: ChatStore) -> list[Figure]:
        figures = []
        for name, queries in self._queries().items():
            calls = [_search(store, query) for query in queries]
            samples = await self._p95(calls)
            figures.append(Figure(f"search, {name}, p95", "ms", samples, Target(100.0)))
        for name, query in (("rare word", "zyzzyva"), ("common trigrams", "thereat")):
            samples = await self._each(_whole_search(store, query))
            figures.append(Figure(f"search to its end, {name}", "ms", samples))
        return figures

    def _queries(self) -> dict[str, list[str]]:
        known = self._words.vocabulary
        long = [word for word in known if len(word) > 2]
        pick = self._random.sample
        return {
            "very common words": long[:N_QUERIES],
            "rare words": pick(long[-5_000:], N_QUERIES),
            "beginnings of words": [word[:4] for word in pick(long, N_QUERIES)],
            "2 letters": [word for word in known if len(word) == 2][:N_QUERIES],
            "2 letters that are rare": ["zq", "qz", "7%", "c#", "vj", "xk"],
            "1 character": list("aeioutnz") + [word[0] for word in pick(self._words.japanese, 8)],
            "Japanese, 2 characters": pick(self._words.japanese, N_QUERIES),
            "two words": [" ".join(pick(long[:3_000], 2)) for _ in range(N_QUERIES)],
            "filters": [
                f"{word} {narrowed}"
                for word in (*long[:3], *pick(long[:5_000], 3))
                for narrowed in (
                    "tag:rare",
                    "tag:work",
                    "pinned:yes",
                    "before:2024",
                    "after:2026",
                    f"model:{MODELS[1]}",
                )
            ],
            "a rare model": [f"{word} model:{MODELS[2]}" for word in pick(long[:3_000], N_QUERIES)],
            "nowhere": ["zyzzyva", "thereat", "qqq", "internationalisationally", "雨傘傘"],
        }

    async def _appending(self, store: ChatStore) -> list[Figure]:
        with tempfile.TemporaryDirectory(dir=self._path.parent) as folder:
            empty = await ChatStore.open(Path(folder) / "empty.sqlite3")
            try:
                small = [await self._append(empty) for _ in range(self._runs)]
                large = [await self._append(store) for _ in range(self._runs)]
            finally:
                await empty.close()
        ratio = statistics.median(large) / statistics.median(small)
        return [
            Figure("append to an empty file", "ms", tuple(small)),
            Figure(f"append to {N_MESSAGES:,} messages", "ms", tuple(large)),
            Figure("the same as a ratio", "x", (ratio,), Target(1.5)),
        ]

    async def _append(self, store: ChatStore) -> float:
        """Milliseconds for a message with its place in the index, on average."""
        now = time.time()
        chat = Conversation(id=new_id(), created_at=now, updated_at=now, title="Appended")
        await store.create(chat)
        started = time.perf_counter()
        for _ in range(N_APPENDED):
            await store.add_message(chat.id, self._message(now))
        await store.list_conversations(in_trash=True)  # behind the last one's indexing
        return _milliseconds(started) / N_APPENDED

    async def _backing_up(self, store: ChatStore) -> list[Figure]:
        """What a message waits for the disk while all chats are copied, and without that."""
        during: list[tuple[float, ...]] = []
        without: list[tuple[float, ...]] = []
        target = self._path.with_name("copy.sqlite3")
        for _ in range(self._runs):
            copying = asyncio.ensure_future(store.back_up(target))
            during.append(await self._write_until(store, copying.done))
            await copying
            target.unlink()
            left = iter(during[-1])
            without.append(await self._write_until(store, partial(_is_empty, left)))
        slowest = tuple(max(samples) for samples in during)
        return [
            Figure("write a message, no backup", "ms", tuple(map(statistics.median, without))),
            Figure("slowest of as many, no backup", "ms", tuple(map(max, without))),
            Figure("write a message during a backup", "ms", tuple(map(statistics.median, during))),
            Figure(
                "slowest write during a backup",
                "ms",
                slowest,
                Target(50.0, of_worst=True),
            ),
        ]

    async def _write_until(
        self, store: ChatStore, is_over: Callable[[], bool]
    ) -> tuple[float, ...]:
        """Milliseconds for each message that is stored, one after the other."""
        now = time.time()
        chat = Conversation(id=new_id(), created_at=now, updated_at=now, title="Written")
        await store.create(chat)
        samples: list[float] = []
        while not is_over():
            message = self._message(now)
            samples.append(await _timed(partial(store.add_message, chat.id, message)))
        return tuple(samples)

    def _message(self, now: float) -> Message:
        return Message(
            id=new_id(), parent_id=None, role=Role.USER, text=self._words.text((60,)),
            state=MessageState.COMPLETE, created_at=now,
        )  # fmt: skip

    def _some_chats(self, store: ChatStore) -> list[Callable[[], Awaitable[object]]]:
        chosen = self._random.sample(self._ids, N_OPENED)
        return [_opened(store, each) for each in chosen]

    async def _each(self, call: Callable[[], Awaitable[object]]) -> tuple[float, ...]:
        return tuple([await _timed(call) for _ in range(self._runs)])

    async def _p95(self, calls: Sequence[Callable[[], Awaitable[object]]]) -> tuple[float, ...]:
        """Of all the calls, once a run."""
        samples = []
        for _ in range(self._runs):
            times = sorted([await _timed(call) for call in calls])
            samples.append(times[min(len(times) - 1, int(len(times) * P95))])
        return tuple(samples)


def _is_empty(left: Iterator[float]) -> bool:
    """Whether there is no other; it is taken."""
    return next(left, None) is None


def _search(store: ChatStore, query: str) -> Callable[[], Awaitable[object]]:
    return lambda: store.search(query)


def _opened(store: ChatStore, conversation_id: str) -> Callable[[], Awaitable[object]]:
    return lambda: store.load(conversation_id)


def _whole_search(store: ChatStore, query: str) -> Callable[[], Awaitable[object]]:
    return lambda: _to_the_end(store, query)


async def _to_the_end(store: ChatStore, query: str) -> None:
    page = await store.search(query, limit=1000)
    while page.next is not None:
        page = await store.search(query, limit=1000, place=page.next)


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await call()
    return _milliseconds(started)


def _milliseconds(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
