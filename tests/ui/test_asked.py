"""What is asked of a model and not yet begun: counted first, and nothing of it is lost. With the
real chats, a scripted engine, and a worker that counts as the test lets it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from minerva_desktop.chat.parts import FilePart, file_as_text
from minerva_desktop.ui.chat_controller import ChatController
from minerva_desktop.ui.composer import MEASURING, MEASURING_ELSE
from minerva_desktop.ui.context_controller import KEEP_NEWEST, SUMMARISE
from minerva_desktop.ui.prompt_room import Asked
from tests.app.desk import MODEL
from tests.ui.asked_bench import Bench, until

LONG = "word " * 70  # more bytes than the context has tokens


async def test_regenerating_goes_on_in_its_chat_and_is_counted_once(bench: Bench) -> None:
    session = bench.session
    answer_id = session.conversation.active_leaf_id or ""
    bench.worker.may_count.clear()
    for _ in range(2):
        bench.window.chat_view.events.retry_requested.emit(answer_id)
    await bench.until_counting("One")
    await asyncio.sleep(0)
    assert bench.worker.counted == ["One"]
    bench.room.show_held()
    assert bench.window.composer._hint.text() == MEASURING_ELSE
    bench.session = bench.desk.new_session()
    bench.room.show_held()
    assert bench.window.composer._hint.text() == ""
    assert not bench.room.give_up()  # it is another chat's
    bench.worker.may_count.set()
    await bench.until_started(2)
    assert session.is_answering
    assert bench.worker.counted == ["One"]
    assert bench.errors == []


async def _grow(bench: Bench) -> tuple[str, str]:
    """Have the chat take 250 words; the ids of its last question and of the answer to that."""
    await bench.desk.answered(bench.session, "Two", "w " * 125)
    await bench.desk.answered(bench.session, "Three", "w " * 125)
    answer_id = await bench.desk.answered(bench.session, "Four", "Vier")
    return bench.session.conversation.active_branch()[-2].id, answer_id


async def test_an_edit_is_sent_as_its_editor_has_it(bench: Bench) -> None:
    question_id, _ = await _grow(bench)
    edits, events = bench.window.chat_view.edits, bench.window.chat_view.events
    edits[question_id] = LONG
    events.edit_submitted.emit(question_id, LONG)
    await bench.until_told("The message was not sent")
    edits[question_id] = "A better wording"
    bench.press(KEEP_NEWEST)
    await bench.until_started(5)
    assert bench.started[-1] == "A better wording"
    assert edits == {}


async def test_an_edit_that_is_closed_while_it_is_counted_is_not_sent(bench: Bench) -> None:
    question_id = bench.session.conversation.active_branch()[0].id
    bench.worker.may_count.clear()
    bench.window.chat_view.edits[question_id] = "Another"
    bench.window.chat_view.events.edit_submitted.emit(question_id, "Another")
    await bench.until_counting("Another")
    bench.window.chat_view.edits.clear()
    bench.worker.may_count.set()
    await until(lambda: not bench.room._held)
    assert not bench.session.is_answering
    assert bench.errors == []


async def test_an_offer_goes_with_its_branch(bench: Bench) -> None:
    question_id, answer_id = await _grow(bench)
    bench.window.chat_view.edits[question_id] = LONG
    bench.window.chat_view.events.edit_submitted.emit(question_id, LONG)
    await bench.until_told("it fits")
    await bench.session.remove(answer_id, with_replies=False)
    bench.context.on_branch_changed(bench.session)
    assert bench.notice == ""
    bench.press(KEEP_NEWEST)
    assert bench.session.conversation.cuts == ()


async def test_a_summary_is_its_models_and_others_are_told_to_wait(bench: Bench) -> None:
    for question, words in (("Two", "w " * 125), ("Three", "w " * 125), ("Four", "Vier")):
        await bench.desk.answered(bench.session, question, words)  # none too long for a summary
    question_id = bench.session.conversation.active_branch()[-2].id
    edits, events = bench.window.chat_view.edits, bench.window.chat_view.events
    edits[question_id] = LONG
    for is_loaded in (False, True):
        events.edit_submitted.emit(question_id, LONG)
        await bench.until_told("it fits")
        bench.loaded.n_ctx = 300 if is_loaded else None
        bench.press(SUMMARISE)
        if is_loaded:
            await bench.until_told("Summarising")
        await until(lambda: bench.errors)
        bench.loaded.n_ctx = 300
    (error,) = bench.errors
    assert error.message == "Tiny, which was to summarise, is not loaded any more. Ask again"
    events.edit_submitted.emit(question_id, LONG)
    await bench.until_told("ask again once that is done")
    bench.press("context-stop-summary")
    await until(lambda: bench.notice == "")  # what was to be waited for is over
    other, bench.session = bench.session, bench.desk.new_session()
    bench.room.outgrown.emit(bench.refused[-1])
    assert bench.notice.startswith(f"Nothing was sent in the chat “{other.conversation.title}”.")


async def test_what_was_counted_alone_is_counted_with_the_answer_that_ended(bench: Bench) -> None:
    await bench.session.send("Two", MODEL)
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    await bench.desk.says(bench.session, "w " * 250)
    await bench.session.settle()
    bench.worker.may_count.set()
    await until(lambda: bench.session.sending.lacks_room)
    assert bench.started == ["One", "Two"]
    assert [queued.text for queued in bench.session.queued] == [LONG]


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_a_message_goes_into_the_branch_that_it_was_typed_in(
    bench: Bench, *, is_deleted: bool
) -> None:
    session = bench.session
    first = session.conversation.active_leaf_id or ""
    await session.retry(first, MODEL)
    second = await bench.desk.says(session, "Eins")
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    if is_deleted:
        await session.remove(second, with_replies=True)
    await session.select(first)
    bench.worker.may_count.set()
    await bench.until_started(3)
    branch = [message.text for message in session.conversation.active_branch()]
    assert branch == ["One", "Un" if is_deleted else "Eins", LONG, ""]
    assert bench.errors == []


async def test_what_is_typed_goes_behind_what_is_counted(bench: Bench) -> None:
    await bench.session.send("Two", MODEL)
    bench.session.enqueue("First", MODEL)
    bench.worker.may_count.clear()
    await bench.desk.says(bench.session, "Zwei")
    await bench.until_counting("First")
    bench.type("Later")
    await until(lambda: len(bench.session.queued) == 2)
    bench.worker.may_count.set()
    await bench.until_started(3)
    assert bench.started[-1] == "First"
    assert [queued.text for queued in bench.session.queued] == ["Later"]


async def test_esc_gives_back_what_is_held_before_it_stops_anything(bench: Bench) -> None:
    await bench.session.send("Two", MODEL)
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    parts = SimpleNamespace(_room=bench.room, _session=bench.session, _status=_Status())
    controller = cast(ChatController, parts)
    ChatController._on_stop(controller)
    assert bench.desk.engine.cancelled == []
    await until(lambda: not bench.room._held)
    assert bench.window.composer.text == LONG
    ChatController._on_stop(controller)
    assert bench.desk.engine.cancelled == [bench.session.answer_id]


class _Status:
    """Shows nothing."""

    def stop(self, _answer_id: str) -> None:
        """Nothing to show."""


async def test_a_message_goes_on_in_the_chat_that_was_left(bench: Bench) -> None:
    session = bench.session
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    await session.keep_draft(LONG)  # as leaving it does
    bench.session = bench.desk.new_session()
    bench.worker.may_count.set()
    while all(message.text != LONG for message in session.conversation):
        assert session.conversation.draft == LONG  # it is never nowhere
        await asyncio.sleep(0)
    await bench.until_started(2)
    assert session.conversation.draft == ""
    assert bench.started[-1] == LONG


@pytest.mark.parametrize("is_typed", [True, False])
async def test_nothing_is_begun_in_a_chat_that_was_deleted_while_it_was_counted(
    bench: Bench, *, is_typed: bool
) -> None:
    session, library = bench.session, bench.desk.library
    bench.worker.may_count.clear()
    if is_typed:
        bench.type(LONG)
        await bench.until_counting(LONG)
        await session.keep_draft(LONG)  # as leaving it does
    else:
        leaf_id = session.conversation.active_leaf_id or ""
        bench.window.chat_view.events.retry_requested.emit(leaf_id)
        await bench.until_counting("One")
    bench.session = bench.desk.new_session()
    await library.trash([session.conversation.id])
    bench.worker.may_count.set()
    await until(lambda: not bench.room._held)
    await library.restore([session.conversation.id])
    again = await library.open_session(session.conversation.id)
    assert again is not session
    assert bench.started == ["One"]
    assert bench.errors == []
    assert again.conversation.draft == (LONG if is_typed else "")
    assert [message.text for message in again.conversation] == ["One", "Un"]


async def test_what_is_sent_while_its_chat_is_deleted_stays(bench: Bench) -> None:
    bench.loaded.n_ctx = 4096  # nothing is counted
    deleting = asyncio.ensure_future(bench.desk.library.trash([bench.session.conversation.id]))
    await asyncio.sleep(0)
    bench.type("Short")
    await until(lambda: bench.errors)
    assert bench.errors[0].message == "This chat is not there any more"
    assert bench.window.composer.text == "Short"
    await deleting
    assert bench.started == ["One"]


async def test_a_message_stays_where_it_is_while_its_model_is_loaded_for_it(bench: Bench) -> None:
    bench.loaded.n_ctx, bench.loaded.loads = None, asyncio.Future()
    composer = bench.window.composer
    bench.type(LONG)
    await asyncio.sleep(0)
    bench.room.show_held()
    assert composer._hint.text() == (
        "Loading Tiny, to know whether this fits its context. Esc keeps it here."
    )
    assert composer.text == LONG
    assert bench.worker.counted == []
    bench.worker.may_count.clear()
    bench.loaded.loads.set_result(None)
    await bench.until_counting(LONG)
    assert composer._hint.text() == MEASURING
    bench.worker.may_count.set()
    await bench.until_started(2)
    assert composer.text == ""


@pytest.mark.parametrize("is_given_up", [False, True])
async def test_it_stays_where_its_model_cannot_be_loaded(
    bench: Bench, *, is_given_up: bool
) -> None:
    bench.loaded.n_ctx, bench.loaded.may_load = None, False
    bench.loaded.loads = asyncio.Future()
    bench.type(LONG)
    await asyncio.sleep(0)
    if is_given_up:
        assert bench.room.give_up()
    else:
        bench.loaded.loads.set_result(None)
    await until(lambda: not bench.room._held)
    await asyncio.sleep(0)
    assert bench.window.composer.text == LONG
    assert bench.started == ["One"]
    assert bench.errors == []


OTHER = Path("/models/other.gguf")
UNSENT = "Nothing was sent: another model than Tiny was chosen meanwhile."


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_a_message_whose_model_was_changed_meanwhile_says_why_it_was_not_sent(
    bench: Bench, *, is_loaded: bool
) -> None:
    if is_loaded:
        bench.worker.may_count.clear()
    else:
        bench.loaded.n_ctx, bench.loaded.may_load = None, False
        bench.loaded.loads = asyncio.Future()
    bench.type(LONG)
    await until(lambda: LONG in bench.worker.counted or bench.loaded.n_loads)
    bench.loaded.current_path = OTHER
    bench.worker.may_count.set()
    if bench.loaded.loads is not None:
        bench.loaded.loads.set_result(None)
    await bench.until_told(f"{UNSENT} Send it again.")
    assert bench.window.composer.text == LONG
    assert bench.started == ["One"]
    bench.loaded.n_ctx = 300
    await until(lambda: not bench.room._held)
    bench.window.composer.submit()
    await bench.until_started(2)
    assert bench.desk.engine.started[-1].model_path == OTHER
    assert bench.notice == ""


async def test_what_another_chat_holds_goes_on_with_its_own_model(bench: Bench) -> None:
    session = bench.session
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    await session.keep_draft(LONG)  # as leaving it does
    bench.session, bench.loaded.current_path = bench.desk.new_session(), OTHER
    bench.worker.may_count.set()
    await bench.until_started(2)
    assert bench.desk.engine.started[-1].model_path == MODEL
    assert bench.notice == ""


async def test_regenerating_says_why_it_was_given_up_for_another_model(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_id = bench.session.conversation.active_leaf_id or ""
    bench.loaded.n_ctx, bench.loaded.may_load = None, False
    bench.loaded.loads = asyncio.Future()
    monkeypatch.setattr(bench.loaded, "expected_n_ctx", lambda _path: 10)
    bench.window.chat_view.events.retry_requested.emit(answer_id)
    await until(lambda: bench.loaded.n_loads)
    title = bench.session.conversation.title
    bench.session, bench.loaded.current_path = bench.desk.new_session(), OTHER
    bench.loaded.loads.set_result(None)
    await bench.until_told(UNSENT.replace("sent", f"sent in the chat “{title}”"))
    assert bench.notice.endswith("Ask again.")
    assert bench.started == ["One"]


async def test_a_short_message_goes_at_once_and_its_answer_waits_for_the_model(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.loaded.n_ctx = None
    monkeypatch.setattr(bench.loaded, "expected_n_ctx", lambda _path: 4096)
    bench.type("Short")
    await bench.until_started(2)
    assert bench.loaded.n_ctx is None  # the answer loads it


async def test_files_become_text_on_no_thread_of_the_window(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a message that is refused, of the chat before it, and of each cut of that."""
    threads: list[threading.Thread] = []

    def as_text(part: FilePart) -> str:
        threads.append(threading.current_thread())
        return file_as_text(part)

    files = (FilePart("a.md", "w " * 250, 500),)
    await bench.session.send("Two", MODEL, files)
    await bench.desk.says(bench.session, "Zwei")
    await bench.desk.answered(bench.session, "Three", "Drei")
    monkeypatch.setattr("minerva_desktop.chat.turns.file_as_text", as_text)
    bench.window.composer.attachments.put_back((FilePart("b.md", LONG, len(LONG)),))
    bench.type(LONG)
    await bench.until_told("it fits")
    assert len(threads) == 4
    assert threading.main_thread() not in threads


async def test_long_text_is_not_encoded_to_see_that_it_may_lack_room(bench: Bench) -> None:
    class Long(str):
        """It must not be."""

        __slots__ = ()

        def encode(self, *_: object, **__: object) -> bytes:
            raise AssertionError

    assert bench.room.may_lack(Asked(bench.session, MODEL, (), Long("é" * 301)))


async def test_who_asks_again_once_it_is_told_why_not_is_heard(bench: Bench) -> None:
    """It was told while the first was still held, and the second then was not sent, nor told of."""
    held: list[bool] = []
    bench.room.outgrown.connect(lambda lack: held.append(bench.room.is_held(lack.asked.session)))
    await bench.desk.answered(bench.session, "Two", "w " * 250)
    bench.type(LONG)
    await until(lambda: held)
    assert held == [False]
    bench.session.conversation.cuts = ()
    bench.loaded.n_ctx = 1000
    bench.window.composer.submit()
    await bench.until_started(3)
    assert bench.started[-1] == LONG.strip() or bench.started[-1] == LONG
