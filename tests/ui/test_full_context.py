"""What does not fit into the context is known before it is sent; and an answer may fill it."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtWidgets import QLabel

from minerva_desktop.app.bounded_count import TokenCount
from minerva_desktop.app.model_actions import ModelPhase, ModelState
from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.parts import FilePart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import EngineDied
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.context_controller import KEEP_NEWEST, SUMMARISE
from minerva_desktop.ui.prompt_room import Asked, Outgrown
from minerva_desktop.ui.waiting_messages import NO_ROOM, NOT_YET
from tests.app.desk import DONE, MODEL
from tests.ui.asked_bench import Bench, until


async def test_under_an_answer_that_filled_the_context_it_is_offered_to_cut(bench: Bench) -> None:
    await bench.desk.answered(bench.session, "Two", "w " * 20)
    answer_id = await bench.desk.answered(bench.session, "Three", "w " * 274)
    view = bench.window.chat_view
    bench.worker.answer_finished.emit(answer_id, DONE)
    full = msgspec.structs.replace(DONE, finish_reason=FinishReason.LENGTH, full_context=300)
    bench.worker.answer_finished.emit(answer_id, full)
    seeks = (answer_id, AnswerHelp(seeks=True))
    sought = AnswerHelp(options=True, seeks=False)
    assert view.offered == [seeks]  # until it is known there is no Continue to be pressed
    await until(lambda: len(view.offered) > 1)
    words = (
        "Without the oldest 4 messages (23 tokens) it fits, with 23 tokens left for the answer. "
        "All of them stay in the chat."
    )
    assert view.offered == [seeks, (answer_id, sought._replace(cut=words))]
    # It fits without the oldest now, of which there is a summary: that is not to go by one more.
    first_id = bench.session.conversation.active_branch()[4].id
    cut = ContextCut(first_id=first_id, created_at=1.0, summary="Numbers.")
    await bench.session.cut((cut,))
    bench.context.on_branch_changed(bench.session)
    assert view.offered[2:] == [(answer_id, AnswerHelp(cut=""))]
    bench.context.on_shown(bench.session)
    assert len(view.offered) == 3


async def test_it_is_not_offered_to_cut_where_a_longer_context_was_loaded(bench: Bench) -> None:
    await bench.desk.answered(bench.session, "Two", "w " * 20)
    answer_id = await bench.desk.answered(bench.session, "Three", "w " * 274)
    view, models = bench.window.chat_view, bench.loaded
    full = msgspec.structs.replace(DONE, finish_reason=FinishReason.LENGTH, full_context=300)
    bench.worker.answer_finished.emit(answer_id, full)
    await until(lambda: len(view.offered) > 1)
    for n_ctx in (None, 200, 300):
        models.n_ctx = n_ctx
        bench.worker.model_changed.emit(ModelState(MODEL, ModelPhase.READY, n_ctx=n_ctx))
    assert len(view.offered) == 2
    models.n_ctx = 600
    bench.worker.model_changed.emit(ModelState(MODEL, ModelPhase.READY, n_ctx=600))
    assert view.offered[2:] == [(answer_id, AnswerHelp(options=False, cut=""))]


async def test_what_is_too_long_to_be_summarised_leaves_the_other_offers(bench: Bench) -> None:
    await bench.desk.answered(bench.session, "w " * 1_200, "Zwei")
    await bench.desk.answered(bench.session, "Three", "Drei")
    bench.type("Four")
    await bench.until_told("it fits")
    bench.worker.may_count.clear()
    bench.press(SUMMARISE)
    await bench.until_told("Summarising")  # also while its messages are counted
    bench.worker.may_count.set()
    await bench.until_told("cannot be summarised")
    assert bench.notice.startswith(
        "The older messages cannot be summarised: one alone takes 1,233 tokens, and the context "
        "has room for 236 beside the summary. Without the oldest 4 messages ("
    )
    shown = bench.window.notifications.shown
    assert shown is not None
    assert [action.label for action in shown.actions] == ["Keep the newest", "Larger context…"]
    bench.press(KEEP_NEWEST)
    await bench.until_started(4)
    assert bench.started[-1] == "Four"
    assert len(bench.session.conversation.cuts) == 1
    assert bench.errors == []


async def test_an_answer_goes_on_where_what_to_cut_cannot_be_found_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> int:
        raise EngineDied("The model is gone")

    answer_id = await bench.desk.answered(bench.session, "Two", "w " * 274)
    monkeypatch.setattr(bench.worker, "count_tokens", gone)
    full = msgspec.structs.replace(DONE, finish_reason=FinishReason.LENGTH, full_context=300)
    bench.worker.answer_finished.emit(answer_id, full)
    await until(lambda: bench.errors)
    offered = bench.window.chat_view.offered
    assert offered == [(answer_id, AnswerHelp(seeks=True)), (answer_id, AnswerHelp(seeks=False))]


async def test_an_answer_that_cannot_go_on_has_no_message_to_shorten(bench: Bench) -> None:
    asked = Asked(bench.session, MODEL, bench.session.conversation.active_branch(), then=_nothing)
    bench.room.outgrown.emit(Outgrown(asked, None, TokenCount(300), 300))
    await bench.until_told("Begin a new chat, or give")
    assert bench.notice == (
        "The chat takes 300 tokens, and the context of Tiny has 300. Begin a new chat, or give the "
        "model more context."
    )


async def _nothing() -> None:
    """Nothing is done."""


@pytest.mark.parametrize("is_temporary", [False, True])
@pytest.mark.parametrize("is_file", [False, True])
async def test_the_first_message_of_a_chat_is_counted_before_it_is_sent(
    bench: Bench, *, is_temporary: bool, is_file: bool
) -> None:
    sampling = SamplingParameters(seed=7)
    session = bench.desk.library.new_session("", sampling, is_temporary=is_temporary)
    bench.session = session
    too_long = "word " * 1500
    files = (FilePart("words.txt", too_long, len(too_long)),) if is_file else ()
    bench.window.composer.attachments.put_back(files)
    bench.type("" if is_file else too_long)
    await bench.until_told("was not sent: it takes 1,5")
    assert len(session.conversation) == 0
    assert bench.started == ["One"]
    assert bench.window.composer.text == ("" if is_file else too_long)
    assert bench.window.composer.files == files
    assert bench.errors == []


async def test_a_system_prompt_that_leaves_no_room_is_told_of_in_a_new_chat(bench: Bench) -> None:
    bench.session = bench.desk.library.new_session("word " * 700, SamplingParameters())
    bench.type("Hello")
    await bench.until_told("with it the chat takes 701 tokens, and the context of Tiny has 300.")
    assert "Shorten the system prompt, or give the model more context." in bench.notice
    assert bench.window.composer.text == "Hello"
    assert bench.started == ["One"]  # of the chat before it
    await bench.session.configure("Be brief.", SamplingParameters())
    bench.window.composer.submit()
    await bench.until_started(2)


async def test_the_refusal_of_a_long_message_counts_as_the_meter_does(bench: Bench) -> None:
    bench.type("word " * 400)
    await bench.until_told(  # with two words of instructions, "One" and "Un"
        "with it the chat takes 404 tokens, 400 of them its own, and the context of Tiny has 300."
    )


async def test_what_is_moved_before_what_lacks_room_waits_for_no_such_reason(bench: Bench) -> None:
    session = bench.session
    await session.send("Two", MODEL)
    for text in ("w " * 400, "Three"):
        session.enqueue(text, MODEL)
    await bench.desk.says(session, "Zwei")
    await until(lambda: session.is_paused)
    for why in (NO_ROOM, NOT_YET, NO_ROOM):  # the answer before it ended well
        bench.sender.show_waiting(session)
        labels = bench.window.composer.waiting.findChildren(QLabel)
        assert why in [label.text() for label in labels]
        session.move_queued(session.queued[1].id, -1)


async def test_what_is_counted_goes_though_a_waiting_message_is_edited_by_then(
    bench: Bench,
) -> None:
    session, composer = bench.session, bench.window.composer
    long = "word " * 70  # more bytes than the context has tokens
    await session.send("Two", MODEL)
    session.enqueue(f"{long}?", MODEL)
    bench.worker.may_count.clear()
    bench.type(long)
    await bench.until_counting(long)
    composer.waiting.edit_requested.emit(session.queued[0].id)
    bench.worker.may_count.set()
    await until(lambda: len(session.queued) == 2)
    assert composer.text == f"{long}?"
    assert [queued.text for queued in session.queued] == [f"{long}?", long]
    composer.leave_requested.emit()
    assert composer.text == ""


@pytest.mark.parametrize("is_moved", [False, True])
async def test_a_message_whose_turn_came_is_not_held_up_by_another_that_is_edited(
    bench: Bench, *, is_moved: bool
) -> None:
    session, waiting = bench.session, bench.window.composer.waiting
    await session.send("Two", MODEL)
    for text in ("Three", "Four"):
        session.enqueue(text, MODEL)
    waiting.edit_requested.emit(session.queued[0].id)
    await bench.desk.says(session, "Zwei")
    await until(lambda: session.is_paused)
    if is_moved:
        waiting.move_requested.emit(session.queued[0].id, 1)
    else:
        waiting.edit_requested.emit(session.queued[1].id)
    await bench.until_started(3)
    assert bench.started[-1] == ("Four" if is_moved else "Three")
    assert session.editing.message is session.queued[0]
