"""A file with many chats for `bench_store`: 10,000 of them, 1,000,000 messages, three years.

The words are those of a model's vocabulary, in its order, which is that of how often they occur;
one message of a hundred is Japanese. One chat has 10,000 messages.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import gguf
import msgspec

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.store import conversation_rows, message_rows
from minerva_desktop.store.database import Database
from minerva_desktop.store.search_index import index_some, is_waiting

N_CHATS = 10_000
N_MESSAGES = 1_000_000
N_LONG = 10_000
BEGIN = 1_700_000_000.0
SECONDS_APART = 90.0
QUESTION_WORDS = (8, 15, 30)
ANSWER_WORDS = (20, 60, 150)
SPECIAL_EVERY = 100  # messages in Japanese
MODELS = ("SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m.Q4_K_M.gguf", "rare-model.gguf")
MODEL_WEIGHTS = (90, 9, 1)
PROGRESS_EVERY = 100_000
TAGS = ("work", "home", "rare")


class Words:
    """Texts as a person and a model write them, the same ones each time."""

    def __init__(self, model: Path) -> None:
        self._random = random.Random(20_260_101)
        self.vocabulary = _words_of(model)
        self._weights = list(itertools.accumulate(1 / (n + 3) for n in range(len(self.vocabulary))))
        self.japanese = [self._kanji() + self._kanji() for _ in range(2_000)]

    def text(self, lengths: tuple[int, ...]) -> str:
        """So many words as one of ``lengths`` says."""
        n = self._random.choice(lengths)
        if self._random.randrange(SPECIAL_EVERY) == 0:
            return "".join(self._random.choices(self.japanese, k=n))
        words = self._random.choices(self.vocabulary, cum_weights=self._weights, k=n)
        return " ".join(words).capitalize() + "."

    def model(self) -> str:
        """Which one answered."""
        return self._random.choices(MODELS, MODEL_WEIGHTS)[0]

    def chance(self, one_in: int) -> bool:
        """Whether something rare happens."""
        return self._random.randrange(one_in) == 0

    def _kanji(self) -> str:
        return chr(0x4E00 + int(self._random.triangular(0, 5000, 0)))


def write_chats(path: Path, words: Words) -> list[str]:
    """Fill the file; the ids of the chats, of which the first has `N_LONG` messages."""
    database = Database(path)
    database.open().result()
    rest, more = divmod(N_MESSAGES - N_LONG, N_CHATS - 1)
    sizes = [N_LONG, *(rest + (number < more) for number in range(N_CHATS - 1))]
    clock = BEGIN
    ids: list[str] = []
    written, started = 0, time.monotonic()
    for number, size in enumerate(sizes):
        chat = _chat(number, size, clock, words)
        clock += size * SECONDS_APART
        ids.append(chat.id)
        _write(database, chat)
        if number == 0:
            # Set by the first write; a power cut costs nothing here.
            database.run(_hurry).result()
        written += size
        if written // PROGRESS_EVERY > (written - size) // PROGRESS_EVERY:
            _tell(f"{written:,} messages written and indexed", started)
    database.close().result()
    database.join()
    return ids


def _chat(number: int, size: int, clock: float, words: Words) -> Conversation:
    chat = Conversation(
        id=f"chat-{number:028}",
        created_at=clock,
        updated_at=clock,
        title=words.text((4, 6)),
        model=words.model(),
        is_pinned=words.chance(500),
        tags=tuple(tag for n, tag in enumerate(TAGS) if words.chance(10 ** (n + 1))),
    )
    for message in _messages(number, size, clock, words, chat.model or ""):
        chat.add(message)
    return chat


def _messages(number: int, size: int, clock: float, words: Words, model: str) -> Iterator[Message]:
    sampling = SamplingParameters()
    timings = Timings(prompt_tokens=100, completion_tokens=50, decode_ms=1234.5)
    completion = Completion(
        finish_reason=FinishReason.STOP, timings=timings, seed=1, model=model, placement="CPU"
    )
    question = Message(
        id="",
        parent_id=None,
        role=Role.USER,
        text="",
        state=MessageState.COMPLETE,
        created_at=clock,
    )
    answer = msgspec.structs.replace(
        question, role=Role.ASSISTANT, model=model, sampling=sampling, completion=completion
    )
    parent_id = None
    for n in range(size):
        pattern, lengths = (answer, ANSWER_WORDS) if n % 2 else (question, QUESTION_WORDS)
        id_ = f"{number:016}{n:016}"
        yield msgspec.structs.replace(
            pattern,
            id=id_,
            parent_id=parent_id,
            text=words.text(lengths),
            created_at=clock + n * SECONDS_APART,
        )
        parent_id = id_


def _write(database: Database, chat: Conversation) -> None:
    row = conversation_rows.row_of(chat)
    rows = [message_rows.row_of(chat.id, message) for message in chat]
    tags = [(chat.id, tag) for tag in chat.tags]
    insert = conversation_rows.insert
    database.write(lambda c: insert(c, row, tags, rows), durable=False)
    while database.tidy(is_waiting, index_some).result():
        pass


def _hurry(connection: apsw.Connection) -> None:
    for pragma in ("synchronous = OFF", "wal_autocheckpoint = 20000", "cache_size = -200000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _words_of(model: Path) -> list[str]:
    field = gguf.GGUFReader(model).fields["tokenizer.ggml.tokens"]
    tokens = [bytes(field.parts[index]).decode("utf-8", "replace") for index in field.data]
    words = [token[1:] for token in tokens if token.startswith("Ġ")]
    return list(dict.fromkeys(w.lower() for w in words if w.isascii() and w.isalpha()))


def _tell(text: str, started: float) -> None:
    print(f"{time.monotonic() - started:6.0f} s  {text}", file=sys.stderr, flush=True)
