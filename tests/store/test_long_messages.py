"""Very long messages, of which the search looks at the beginning."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from minerva_desktop.chat.parts import FilePart
from minerva_desktop.store import search_index
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from minerva_desktop.store.search_index import is_waiting
from minerva_desktop.store.searched_text import SEARCHED_CHARACTERS
from minerva_desktop.store.text_folding import fold
from tests.chat.samples import make_conversation


async def test_the_beginning_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(tmp_path / "chats.db")
    store = ChatStore(database)
    await store.start()
    batches: list[int] = []

    def counted(text: str) -> str:
        batches.append(len(text))
        return fold(text)

    monkeypatch.setattr(search_index, "fold", counted)
    filler = "word " * (SEARCHED_CHARACTERS // 5 - 2)
    texts = (
        f"{filler}apple zq",
        "<think>" + "hm " * SEARCHED_CHARACTERS + "</think>\n\nfig",  # the thought is not searched
        f"{filler}apple zq pear" + " tail" * 200_000,
        "水" * (SEARCHED_CHARACTERS - 3) + "sea",  # of three bytes each
    )
    chat = make_conversation()
    for message in make_conversation(*texts):
        has_file = message.text == texts[2]
        parts = (FilePart("plum.txt", "Plums", 5),) if has_file else ()
        chat.add(msgspec.structs.replace(message, parts=parts))

    expected = [2, 2, 0, 0, 1, 1, 1]
    with monkeypatch.context() as patch:
        patch.setattr(search_index, "BATCH_MESSAGES", 0)
        await store.create(chat)
        assert await _look(store) == expected  # before the index has them
    await store.finish_index(lambda _: None)
    assert not database.run(is_waiting).result()
    assert await _look(store) == expected
    assert max(batches) <= SEARCHED_CHARACTERS + len("\nplum.txt")
    await store.close()


async def _look(store: ChatStore) -> list[int]:
    """How often each word is found."""
    found = []
    for word in ("apple", "zq", "pear", "tail", "fig", "sea", "plum"):
        page = await store.search(word)
        found.append(len(page.hits))
        while page.next is not None:
            page = await store.search(word, place=page.next)
            found[-1] += len(page.hits)
    return found
