"""Searching all chats page by page, on a real store."""

from __future__ import annotations

import pytest

from minerva_desktop.app import chat_search
from minerva_desktop.app.chat_search import ChatSearch
from minerva_desktop.errors import InvalidRequest
from tests.app.desk import Desk
from tests.chat.samples import make_conversation


async def found(search: ChatSearch) -> dict[str, list[str]]:
    """Go on to the end: the messages by the titles of their chats."""
    while not search.is_over:
        await search.go_on()
    return {chat.chat.title: [message.text for message in chat.messages] for chat in search.chats}


async def test_what_is_found_stands_by_chat_the_newest_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_search, "PAGE", 2)
    sea = make_conversation("Salt one", "Salt two", "Salt three", title="Sea", updated_at=2000.0)
    soup = make_conversation("Needs salt", title="Soup", updated_at=3000.0)
    title = make_conversation("Nothing here", title="On salt", updated_at=1000.0)
    for chat in (sea, soup, title):
        await desk.store.create(chat)
    search = ChatSearch(desk.library, "SALT")
    await search.go_on()
    assert len(search.chats) <= 2
    assert await found(search) == {
        "Soup": ["Needs salt"],
        "Sea": ["Salt three", "Salt two", "Salt one"],
        "On salt": [],
    }
    by_title = {chat.chat.title: chat for chat in search.chats}
    assert by_title["Soup"].messages[0].marks == ((6, 10),)
    assert by_title["On salt"].title_marks == ((3, 7),)
    assert await search.go_on() == 0


async def test_a_search_ends_where_more_words_help_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_search, "PAGE", 2)
    monkeypatch.setattr(chat_search, "MAX_HITS", 4)
    await desk.store.create(make_conversation(*["Salt"] * 4, title="Sea"))
    search = ChatSearch(desk.library, "salt")
    assert await found(search) == {"Sea": ["Salt"] * 4}
    assert search.is_over
    await desk.store.create(make_conversation("Salt", title="Soup"))
    search = ChatSearch(desk.library, "salt")
    await found(search)
    assert search.is_cut


async def test_a_filter_that_makes_no_sense_is_said(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="before:someday"):
        await ChatSearch(desk.library, "before:someday").go_on()
