"""A better title comes from the model when nothing else is to be done, and never in the way."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from minerva_desktop.app.titles import read_title
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.conversation import TitleSource
from minerva_desktop.chat.message import Role
from minerva_desktop.errors import EngineDied, LoadCancelled
from tests.app.desk import CANCELLED, DONE, MODEL, Desk

LARGE = 7_000_000_000


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minerva_desktop.app.titles.DELAY_SECONDS", 0.0)
    monkeypatch.setattr("minerva_desktop.app.titles.RETRY_SECONDS", 0.0)


async def _until(desk: Desk, is_so: Callable[[], bool]) -> None:
    while not is_so():
        desk.engine.changed.clear()
        await desk.engine.changed.wait()


async def _until_asked(desk: Desk, count: int) -> None:
    await _until(desk, lambda: len(desk.engine.started) >= count)


async def test_the_model_finds_a_title(desk: Desk) -> None:
    desk.engine.n_parameters = LARGE
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await _until_asked(desk, 2)
    request = desk.engine.started[1]
    assert request.snapshot is None
    assert (request.thinks, request.makes_way) == (False, True)
    assert (desk.engine.started[0].thinks, desk.engine.started[0].makes_way) == (True, False)
    assert (request.sampling.temperature, request.sampling.max_tokens) == (0.0, 24)
    (turn,) = request.turns
    assert turn.role is Role.USER
    assert turn.text.startswith("user: how do tides work\n\nassistant: The moon pulls.\n\n")
    saved = desk.listener.n_saved
    desk.library.on_answer_text(request.answer_id, '"Moon and ')
    desk.library.on_answer_text(request.answer_id, 'Tides"\n')
    desk.library.on_answer_finished(request.answer_id, DONE)
    await desk.titled()
    assert session.conversation.title == "Moon and Tides"
    assert session.conversation.title_source is TitleSource.MODEL
    assert desk.listener.n_saved > saved
    stored = await desk.store.load(session.conversation.id)
    assert (stored.title, stored.title_source) == ("Moon and Tides", TitleSource.MODEL)
    assert [m.text for m in session.conversation.active_branch()] == [
        "how do tides work",
        "The moon pulls.",
    ]


async def test_a_small_model_is_not_asked(desk: Desk) -> None:
    desk.engine.n_parameters = 135_000_000
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await desk.titled()
    assert len(desk.engine.started) == 1
    assert session.conversation.title == "how do tides work"


async def test_a_busy_model_is_asked_once_it_is_idle(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await _until(desk, lambda: desk.engine.n_looks > 2)
    assert len(desk.engine.started) == 1
    desk.engine.n_parameters = LARGE
    await _until_asked(desk, 2)
    assert desk.engine.started[1].makes_way


@pytest.mark.parametrize("made_way", [CANCELLED, LoadCancelled("It has something else to do")])
async def test_what_made_way_is_tried_again(
    desk: Desk, made_way: Completion | LoadCancelled
) -> None:
    desk.engine.n_parameters = LARGE
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await _until_asked(desk, 2)
    first = desk.engine.started[1]
    desk.library.on_answer_text(first.answer_id, "Moon an")
    if isinstance(made_way, Completion):
        desk.library.on_answer_finished(first.answer_id, made_way)
    else:
        desk.library.on_answer_failed(first.answer_id, made_way)
    await _until_asked(desk, 3)
    assert desk.engine.started[2].turns == first.turns
    await _say(desk, 2, "Moon and Tides")
    assert session.conversation.title == "Moon and Tides"


async def test_no_title_is_looked_for_while_another_chat_is_answered(desk: Desk) -> None:
    desk.engine.n_parameters = LARGE
    other, session = desk.new_session(), desk.new_session()
    await other.send("slow", MODEL)
    await desk.answered(session, "how do tides work", "The moon pulls.")
    assert desk.library.titles.task is None
    await desk.says(other, "At last.")
    await _until_asked(desk, 3)
    assert "slow" in desk.engine.started[2].turns[0].text  # what was answered last comes first
    await _say(desk, 2, "Slow", waits=False)
    await _until_asked(desk, 4)
    await _say(desk, 3, "Moon and Tides")
    titles = [other.conversation.title, session.conversation.title]
    assert titles == ["Slow", "Moon and Tides"]


async def test_a_chat_that_nobody_shows_any_more_gets_its_title(desk: Desk) -> None:
    desk.engine.n_parameters = LARGE
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await session.settle()
    chat_id = session.conversation.id
    del session
    gc.collect()
    await _until_asked(desk, 2)
    await _say(desk, 1, "Moon and Tides")
    assert (await desk.store.load(chat_id)).title == "Moon and Tides"


async def _say(desk: Desk, number: int, title: str, *, waits: bool = True) -> None:
    """Have the engine answer that request with a title."""
    answer_id = desk.engine.started[number].answer_id
    desk.library.on_answer_text(answer_id, title)
    desk.library.on_answer_finished(answer_id, DONE)
    if waits:
        await desk.titled()


async def test_the_next_question_goes_first(desk: Desk) -> None:
    desk.engine.n_parameters = LARGE
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    await _until_asked(desk, 2)
    title_id = desk.engine.started[1].answer_id
    await session.send("two", MODEL)
    await desk.titled()
    assert desk.engine.cancelled == [title_id]
    desk.library.on_answer_finished(title_id, CANCELLED)
    assert session.conversation.title == "one"
    assert session.is_answering
    await desk.says(session, "TWO")
    await _until_asked(desk, 4)
    await _say(desk, 3, "Numbers")
    assert session.conversation.title == "Numbers"


async def test_a_title_of_a_person_stays(desk: Desk) -> None:
    desk.engine.n_parameters = LARGE
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    await _until_asked(desk, 2)
    await session.rename("Mine")
    title_id = desk.engine.started[1].answer_id
    desk.library.on_answer_text(title_id, "Its")
    desk.library.on_answer_finished(title_id, DONE)
    await desk.titled()
    assert session.conversation.title == "Mine"
    await desk.answered(session, "two", "TWO")
    await desk.titled()
    assert len(desk.engine.started) == 3


async def test_an_engine_that_dies_over_a_title_is_no_matter(desk: Desk) -> None:
    desk.engine.n_parameters = LARGE
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    await _until_asked(desk, 2)
    desk.library.on_answer_failed(desk.engine.started[1].answer_id, EngineDied("killed"))
    await desk.titled()
    assert session.conversation.title == "one"
    assert desk.listener.errors == []


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Tides", "Tides"),
        ("\n  **“Moon and Tides”**.\nMore words", "Moon and Tides"),
        ("Title: Moon", "Moon"),
        ("„Ebbe und Flut“", "Ebbe und Flut"),
        ("", None),
        ("\n\n", None),
        ('""', None),
        ("<think>\nThe user wants", None),
        ("word " * 30, None),
    ],
)
def test_what_counts_as_a_title(said: str, title: str | None) -> None:
    assert read_title(said) == title
