"""A better title comes from the model when nothing else is to be done, and never in the way."""

from __future__ import annotations

import pytest

from minerva_desktop.app.titles import read_title
from minerva_desktop.chat.conversation import TitleSource
from minerva_desktop.chat.message import Role
from minerva_desktop.errors import EngineDied
from tests.app.desk import CANCELLED, DONE, MODEL, Desk

LARGE = 7_000_000_000


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minerva_desktop.app.chat_library.TITLE_DELAY_SECONDS", 0.0)


async def _until_asked(desk: Desk, count: int) -> None:
    while len(desk.engine.started) < count:
        desk.engine.changed.clear()
        await desk.engine.changed.wait()


async def test_the_model_finds_a_title(desk: Desk) -> None:
    desk.engine.n_parameters = LARGE
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await _until_asked(desk, 2)
    request = desk.engine.started[1]
    assert request.snapshot is None
    assert not request.thinks
    assert desk.engine.started[0].thinks
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


@pytest.mark.parametrize("n_parameters", [None, 135_000_000])
async def test_a_busy_or_small_model_is_not_asked(desk: Desk, n_parameters: int | None) -> None:
    desk.engine.n_parameters = n_parameters
    session = desk.new_session()
    await desk.answered(session, "how do tides work", "The moon pulls.")
    await desk.titled()
    assert len(desk.engine.started) == 1
    assert session.conversation.title == "how do tides work"


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
