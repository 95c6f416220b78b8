"""Finding titles and messages: every script, every length, every filter, page by page."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.store import search, search_index
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from minerva_desktop.store.search import PAGE_SECONDS, SearchHit, SearchPlace
from minerva_desktop.store.search_index import part_name
from minerva_desktop.store.search_query import parse
from minerva_desktop.store.text_folding import fold
from tests.chat.samples import make_conversation, make_message

MARCH = time.mktime((2026, 3, 1, 12, 0, 0, 0, 0, -1))
DAY = 24 * 3600.0


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "chats.db")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[ChatStore]:
    store = ChatStore(database)
    await store.start()
    yield store
    await store.close()


async def hits(store: ChatStore, text: str, limit: int = 20) -> list[SearchHit]:
    """All hits of all pages."""
    page = await store.search(text, limit=limit)
    found = list(page.hits)
    while page.next is not None:
        page = await store.search(text, limit=limit, place=page.next)
        found += page.hits
    return found


async def found(store: ChatStore, text: str) -> list[str]:
    """What is marked, in square brackets."""
    return [marked(hit) for hit in await hits(store, text)]


def marked(hit: SearchHit) -> str:
    text = hit.snippet.text
    for start, end in reversed(hit.snippet.marks):
        text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
    return text


def count(database: Database, table: str) -> int:
    return int(str(database.run(lambda c: c.execute(f"SELECT count(*) FROM {table}").get).result()))


# -- any text ----------------------------------------------------------------------------------

TEXT = (
    "Ärger in der Straße, Ὀδυσσεύς οδυσσευς, ПРИВЕТ ёж, 100% snake_case back\\slash\0after C# １２"
)


QUERIES = {
    "ärger": True,
    "ARGER": True,
    "a\u0308rger": True,
    "strasse": True,
    "ΟΔΥΣΣΕΥΣ": True,
    "привет": True,
    "еж": True,
    "100%": True,
    "0%": True,
    "%": True,
    "snake_case": True,
    "back\\slash": True,
    "h\0a": True,
    "after": True,
    "  Ärger  ": True,
    "c#": True,
    "#": True,
    "12": True,
    "der in": True,
    '"in der"': True,
    '"der in"': False,
    "rger der c#": True,
    "rger nothing": False,
    "0%0": False,
    "snakeXcase": False,
    "r_er": False,
    "argir": False,
    "zq": False,
    "雨": False,
}


async def test_every_character_is_taken_as_it_is(store: ChatStore) -> None:
    await store.create(make_conversation(TEXT, title="Sorrows"))

    assert {query: bool(await hits(store, query)) for query in QUERIES} == QUERIES


JAPANESE = {
    "量子": ["[量子]コンピュータは速い"],
    "速": ["量子コンピュータは[速]い"],
    "い": ["量子コンピュータは速[い]"],
    "コンピュ": ["量子[コンピュ]ータは速い"],
    "ｺﾝﾋﾟｭｰﾀ": ["量子[コンピュータ]は速い"],
    "量速": [],
    "ハ": [],
}


async def test_chinese_and_japanese_words_of_any_length(store: ChatStore) -> None:
    await store.create(make_conversation("量子コンピュータは速い", "二", title="x"))

    assert {query: await found(store, query) for query in JAPANESE} == JAPANESE


async def test_hidden_branches_and_titles_the_newest_first(store: ChatStore) -> None:
    title = make_conversation("x", title="Über Katzen", updated_at=MARCH)
    text = make_conversation("Katzen?", title="Pets", updated_at=MARCH + 10)
    text.add(make_message("Dogs, KATZEN", created_at=MARCH - 10))
    for chat in (title, text, make_conversation("y", title="Cars")):
        await store.create(chat)

    assert await found(store, "katzen") == ["[Katzen]?", "Über [Katzen]", "Dogs, [KATZEN]"]
    (first, second, _) = await hits(store, "katzen")
    assert (first.conversation.title, first.message_id) == ("Pets", next(iter(text)).id)
    assert (second.message_id, second.time) == (None, MARCH)


async def test_a_snippet_shows_the_place(store: ChatStore) -> None:
    text = "word " * 100 + "the\nneedle, é needle" + " word" * 100
    await store.create(make_conversation(text))

    (line,) = await found(store, "NEEDLE e")
    assert line.startswith("…word word")
    assert "th[e] [needle], [é] [needle] word" in line
    assert line.endswith("word…")
    assert len(line) < 220


# -- what changes ------------------------------------------------------------------------------


async def test_what_is_renamed_removed_or_put_back(store: ChatStore) -> None:
    chat = make_conversation("apple pie", "banana", title="Fruit")
    await store.create(chat)

    chat.title = "Vegetables"
    await store.save_details(chat)
    assert await found(store, "fruit") == []
    assert await found(store, "vegetables") == ["[Vegetables]"]

    removal = chat.remove(next(iter(chat)).id, with_replies=False)
    await store.remove_messages(chat, removal)
    assert await found(store, "apple") == []
    assert await found(store, "pp") == []
    chat.put_back(removal)
    await store.put_back_messages(chat, removal)
    assert await found(store, "apple") == ["[apple] pie"]

    await store.trash([chat.id])
    assert await found(store, "apple") == []
    await store.restore([chat.id])
    assert await found(store, "pp") == ["a[pp]le pie"]
    await store.set_archived([chat.id], True)
    assert await found(store, "apple") == ["[apple] pie"]


async def test_an_answer_is_found_once_it_ended(store: ChatStore, database: Database) -> None:
    chat = make_conversation("question")
    await store.create(chat)
    answer = make_message("", *chat, role=Role.ASSISTANT, state=MessageState.STREAMING)
    await store.add_message(chat.id, answer)
    await store.flush_text(answer.id, "half an answer")
    assert await found(store, "half") == []

    for text in ("a whole answer", "a longer answer"):
        done = msgspec.structs.replace(answer, text=text, state=MessageState.COMPLETE)
        await store.update_message(done)
        assert await found(store, text) == [" ".join(f"[{word}]" for word in text.split())]
    assert await found(store, "whole") == []

    await store.trash([chat.id])
    await store.destroy([chat.id])
    parts = database.run(lambda c: c.execute("SELECT id FROM search_parts").fetchall()).result()
    for table in ("unindexed", *(f"{part_name(int(str(part)))}_docsize" for (part,) in parts)):
        assert count(database, table) == 0
    assert len(parts) == 1


async def test_an_answer_that_was_cut_off_is_found_after_the_start(tmp_path: Path) -> None:
    store = await ChatStore.open(tmp_path / "chats.db")
    chat = make_conversation("question")
    await store.create(chat)
    answer = make_message("half an answer", *chat, state=MessageState.STREAMING)
    await store.add_message(chat.id, answer)
    await store.close()

    store = await ChatStore.open(tmp_path / "chats.db")
    assert await found(store, "half") == ["[half] an answer"]
    await store.close()


async def test_what_was_written_just_now_is_found(
    store: ChatStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = make_conversation("apple pie", "banana")
    await store.create(chat)
    while (await store.search("apple")).n_unindexed or count(database, "unindexed"):
        await asyncio.sleep(0)  # until all is taken up
    monkeypatch.setattr(search_index, "BATCH_MESSAGES", 0)  # nothing is taken up any more
    answer = msgspec.structs.replace(list(chat)[1], text="apple and banana")
    await store.update_message(answer)
    await store.add_message(chat.id, make_message("another apple", answer))

    for query in ("apple", "pl"):
        got = await hits(store, query)
        assert len({hit.message_id for hit in got}) == len(got) == 3
    assert await found(store, "nan") == ["apple and ba[nan]a"]
    assert (await store.search("apple")).n_unindexed == 0
    assert count(database, "unindexed") == 2


async def test_old_chats_become_searchable_a_little_at_a_time(
    store: ChatStore, database: Database
) -> None:
    chat = make_conversation(*(f"number {n}" for n in range(450)))
    await store.create(chat)

    page = await store.search("number")
    while page.n_unindexed:
        assert page.hits, "the newest are taken up first"
        page = await store.search("number")
    assert len(await hits(store, "number")) == 450
    assert len(await hits(store, "er")) == 450


async def test_messages_of_many_years(store: ChatStore, database: Database) -> None:
    chat = make_conversation()
    for year in (3, 0, 56, 1, 200):
        chat.add(make_message(f"zebra {year}", created_at=year * 365 * DAY))
    await store.create(chat)

    # The year 2170 is a broken clock's, which is the oldest.
    for query in ("zebra", "ze"):
        years = [hit.snippet.text.split()[1] for hit in await hits(store, query, 2)]
        assert years == ["56", "3", "1", "200", "0"]
    assert count(database, "search_parts") == 4


# -- filters -----------------------------------------------------------------------------------


@pytest.fixture
async def chats(store: ChatStore) -> ChatStore:
    """Two chats with the word tea."""
    work = await store.create_folder("My Work")
    for title, at, model, tags in (
        ("Old tea", MARCH - 40 * DAY, "Gemma-3-270M.gguf", ("Drinks", "hot")),
        ("New tea", MARCH, "SmolLM2.gguf", ("drinks",)),
    ):
        chat = make_conversation("tea?", title=title, updated_at=at)
        chat.model, chat.tags = model, tags
        chat.add(
            msgspec.structs.replace(
                make_message("green tea", *chat, role=Role.ASSISTANT, created_at=at), model=model
            )
        )
        await store.create(chat)
        if title == "Old tea":
            await store.set_folder([chat.id], work.id)
            await store.set_pinned([chat.id], True)
    return store


FILTERS = {
    "model:gemma": "Old tea",
    "model:SMOL": "New tea",
    "before:2026-03": "Old tea",
    "before:2026-03-01": "Old tea",
    "after:2026-03-01": "New tea",
    "after:2026-02-28 before:2026-03-02": "New tea",
    "pinned:yes": "Old tea",
    "pinned:no": "New tea",
    'folder:"my work"': "Old tea",
    "FOLDER:my": "Old tea",
    "tag:hot": "Old tea",
    "tag:drinks tag:hot": "Old tea",
    "tag:drinks pinned:no": "New tea",
    "folder:other": None,
    "pinned:yes pinned:no": None,
    "before:2026 after:2026": None,
    "tag:rinks": None,
}


@pytest.mark.parametrize("words", ["tea", "te", ""])
@pytest.mark.parametrize("narrow_limit", [5_000, 0])
async def test_filters_narrow_it_down(
    chats: ChatStore, words: str, narrow_limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minerva_desktop.store.search_sources.MAX_LISTED", narrow_limit)

    for filters, title in FILTERS.items():
        got = await hits(chats, f"{filters} {words}")
        assert {hit.conversation.title for hit in got} == ({title} if title else set()), filters
        assert sum(hit.message_id is not None for hit in got) == (2 if title and words else 0)


async def test_a_bad_filter_is_said(store: ChatStore) -> None:
    with pytest.raises(InvalidRequest, match="“before:soon” is no date") as caught:
        await store.search("tea before:soon")
    assert caught.value.param == "before"


# -- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["word", "rd", "tag:t word", "tag:t"])
@pytest.mark.parametrize("limit", [1, 7])
async def test_pages_give_each_hit_once_in_order(store: ChatStore, query: str, limit: int) -> None:
    for number in range(12):
        chat = make_conversation("word", "other", "word", title="word", updated_at=number % 3)
        chat.tags = ("t",)
        await store.create(chat)

    got = await hits(store, query, limit)

    ids = [(hit.conversation.id, hit.message_id) for hit in got]
    assert len(set(ids)) == len(ids) == (12 if query == "tag:t" else 36)
    times = [hit.time for hit in got if hit.message_id is None]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("query", ["zebra", "ra"])
async def test_a_long_search_lets_others_in_between(
    store: ChatStore, database: Database, query: str
) -> None:
    """A clock that runs fast stands for a million messages."""
    chat = make_conversation(*["zebra", "nothing here"] * 30, updated_at=MARCH)
    await store.create(chat)
    clock = itertools.count(0.0, PAGE_SECONDS / 2)

    def page(place: SearchPlace) -> search.SearchPage:
        wanted = parse(f"{query} model:none")
        return database.run(
            lambda c: search.page_of(c, wanted, place, 20, lambda: next(clock))
        ).result()

    places: list[SearchPlace] = [SearchPlace()]
    while (got := page(places[-1])).next is not None:
        assert got.hits == ()
        places.append(got.next)
    rows = [place.row for place in places]
    assert len(rows) > 1
    assert rows == sorted(set(rows), reverse=True), "each page goes on where the last one ended"


ALPHABET = "abAB é\u0301\u0308ßﬁ量子コガ\n\0%_'"


@settings(max_examples=20, deadline=None)
@given(
    texts=st.lists(st.text(ALPHABET, max_size=12), min_size=10, max_size=40),
    words=st.lists(st.text(ALPHABET, min_size=1, max_size=4), min_size=5, max_size=20),
)
def test_the_search_finds_what_a_look_at_each_text_finds(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], words: list[str]
) -> None:
    async def look() -> None:
        store = await ChatStore.open(tmp_path_factory.mktemp("search") / "chats.db")
        chat = make_conversation(*texts)
        try:
            await store.create(chat)
            got = {word: await hits(store, f'"{word}"') for word in words}
        finally:
            await store.close()
        for word, found in got.items():
            # A word in quotes loses the white space around it.
            wanted = fold(word.strip())
            expected = {m.id for m in chat if wanted in fold(m.text)} if wanted else set()
            assert {hit.message_id for hit in found} - {None} == expected

    asyncio.run(look())
