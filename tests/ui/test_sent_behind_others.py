"""A message that is sent while others of its chat have yet to go: none overtakes an older one, and
none becomes a part of another. With the real chats, a scripted engine, and a worker that counts as
the test lets it."""

from __future__ import annotations

import asyncio

import pytest
from PySide6.QtTest import QTest

from minerva_desktop.chat.parts import FilePart, files_in
from minerva_desktop.ui.message_edit import MessageEdit
from tests.app.desk import MODEL
from tests.ui.asked_bench import Bench, until
from tests.ui.parts import part

LONG = "word " * 70  # more bytes than the context has tokens
NOTE = FilePart("note.txt", "A note.", 7)
OTHER = FilePart("other.txt", "Another.", 8)


def _waits(bench: Bench) -> list[str]:
    return [queued.text for queued in bench.session.queued]


async def _type_behind(bench: Bench, text: str) -> None:
    """Type ``text`` behind what is held in the composer, and press Enter."""
    composer = bench.window.composer
    QTest.keyClicks(part(composer, MessageEdit, "composer"), text)
    composer.submit()
    await asyncio.sleep(0)


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_what_is_sent_while_another_is_held_follows_it(
    bench: Bench, *, is_loaded: bool
) -> None:
    """Enter did nothing then, and both became one text."""
    if is_loaded:
        bench.worker.may_count.clear()
    else:
        bench.loaded.n_ctx, bench.loaded.loads = None, asyncio.Future()
    bench.type(LONG)
    await until(lambda: LONG in bench.worker.counted or bench.loaded.n_loads)
    await _type_behind(bench, "Second")
    await _type_behind(bench, "Third")
    assert (bench.window.composer.text, _waits(bench)) == (LONG, ["Second", "Third"])
    assert not bench.window.composer.waiting._is_paused  # it waits for no person
    bench.worker.may_count.set()
    if bench.loaded.loads is not None:
        bench.loaded.loads.set_result(None)
    await bench.until_started(2)
    assert (bench.started[-1], bench.window.composer.text) == (LONG, "")
    for n_started, text in enumerate(("Second", "Third"), 3):
        await bench.desk.says(bench.session, "Yes")
        await bench.until_started(n_started)
        assert bench.started[-1] == text
    assert (_waits(bench), bench.errors) == ([], [])


@pytest.mark.parametrize("is_given_up", [True, False])
async def test_it_stays_apart_from_one_that_is_not_sent(bench: Bench, *, is_given_up: bool) -> None:
    too_long = "word " * 400
    bench.worker.may_count.clear()
    bench.type(too_long)
    await bench.until_counting(too_long)
    await _type_behind(bench, "Second")
    if is_given_up:
        assert bench.room.give_up()
    bench.worker.may_count.set()
    await until(lambda: not bench.room._held)
    await until(lambda: bench.window.composer.waiting._is_paused)
    assert (bench.window.composer.text, _waits(bench)) == (too_long, ["Second"])
    assert bench.started == ["One"]
    bench.type("Shorter")  # it is older than the one that waits
    await bench.until_started(2)
    assert bench.started[-1] == "Shorter"
    await bench.desk.says(bench.session, "Yes")
    await bench.until_started(3)
    assert bench.started[-1] == "Second"


async def test_files_go_with_the_message_to_which_they_were_added(bench: Bench) -> None:
    strip = bench.window.composer.attachments
    strip.add(NOTE)
    bench.worker.may_count.clear()
    bench.type(LONG)
    await until(lambda: bench.worker.counted)
    strip.add(OTHER)
    await _type_behind(bench, "Second")
    assert [queued.files for queued in bench.session.queued] == [(OTHER,)]
    assert bench.window.composer.files == (NOTE,)
    bench.worker.may_count.set()
    await bench.until_started(2)
    question = bench.session.conversation.active_branch()[-2]
    assert [file.name for file in files_in(question.parts)] == ["note.txt"]


async def test_what_is_held_during_an_answer_goes_before_what_was_typed_behind_it(
    bench: Bench,
) -> None:
    await bench.session.send("Two", MODEL)
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    await _type_behind(bench, "Second")
    assert _waits(bench) == ["Second"]
    await bench.desk.says(bench.session, "Zwei")
    await bench.session.settle()
    bench.worker.may_count.set()
    await bench.until_started(3)
    assert bench.started[-1] == LONG
    await bench.desk.says(bench.session, "Yes")
    await bench.until_started(4)
    assert bench.started[-1] == "Second"
    assert bench.errors == []


@pytest.mark.parametrize("text", ["Later", LONG])
async def test_a_message_goes_behind_older_ones_that_wait_for_their_person(
    bench: Bench, text: str
) -> None:
    """It overtook them, and then they went by themselves."""
    bench.session.enqueue("First", MODEL)
    bench.session.enqueue("Second", MODEL)
    assert bench.session.is_paused
    bench.type(text)
    for n_started, sent in enumerate(("First", "Second", text), 2):
        await bench.until_started(n_started)
        assert bench.started[-1] == sent
        await bench.desk.says(bench.session, "Yes")
    assert (_waits(bench), bench.errors) == ([], [])
