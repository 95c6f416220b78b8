"""A message that lacked room, once the chat is cut for it."""

from __future__ import annotations

import pytest

from minerva_desktop.ui.context_controller import KEEP_NEWEST, SUMMARISE
from minerva_desktop.ui.prompt_room import Asked
from tests.app.desk import DONE
from tests.ui.asked_bench import Bench, until

LONG = "word " * 70  # with all that was said, more than the context has


@pytest.mark.parametrize("more", ["", " more"])
async def test_it_goes_by_itself_unless_it_was_changed(bench: Bench, more: str) -> None:
    for question, words in (("Two", "w " * 250), ("Three", "Drei")):
        await bench.desk.answered(bench.session, question, words)
    bench.type(LONG)
    await bench.until_told("it fits")
    bench.window.composer.set_text(LONG + more)
    bench.press(KEEP_NEWEST)
    if more:
        await bench.until_told("Your message has room now")
        assert bench.window.composer.text == LONG + more
    else:
        await bench.until_started(4)
        assert bench.started[-1] == LONG
        assert bench.window.composer.text == ""


async def test_that_it_was_not_sent_is_said_again_where_nothing_can_be_cut(bench: Bench) -> None:
    here, other = bench.session, bench.desk.new_session()
    text = "word " * 298  # two less than the context has, and the chat has as many
    bench.type(text)
    helps = "Shorten the message, begin a new chat, or give the model more context."
    await bench.until_told(helps)
    bench.show(other, "")
    assert bench.notice == ""
    bench.show(here, text)
    await bench.until_told(helps)
    assert bench.notice.startswith("The message was not sent")


async def test_what_is_said_of_it_elsewhere_is_said_once_its_chat_is_shown(bench: Bench) -> None:
    here, other = bench.session, bench.desk.new_session()
    for question, words in (("Two", "w " * 250), ("Three", "Drei")):
        await bench.desk.answered(here, question, words)
    bench.worker.may_count.clear()
    bench.type(LONG)
    await bench.until_counting(LONG)
    bench.show(other, "")
    bench.worker.may_count.set()
    await bench.until_told("Nothing was sent in the chat “One”")
    bench.show(here, LONG)
    await bench.until_told("it fits")
    assert bench.notice.startswith("The message was not sent")
    bench.window.notifications.dismiss("context-outgrown")
    assert bench.notice == ""  # beneath it the same was said


@pytest.mark.parametrize("more", ["", " more"])
async def test_it_goes_by_itself_behind_a_summary_that_ends_elsewhere(
    bench: Bench, more: str
) -> None:
    here, other = bench.session, bench.desk.new_session()
    for question, words in (("Two", "w " * 125), ("Three", "w " * 125), ("Four", "Vier")):
        await bench.desk.answered(here, question, words)
    bench.type(LONG)
    await bench.until_told("it fits")
    bench.press(SUMMARISE)
    await bench.until_started(5)
    await here.keep_draft(LONG + more, ())
    bench.show(other, "")
    library, aside = bench.desk.library, bench.desk.engine.started[-1]
    library.on_answer_text(aside.answer_id, "All was counted.")
    library.on_answer_finished(aside.answer_id, DONE)
    asked_again: list[Asked] = []
    bench.room.asked_again.connect(asked_again.append)
    await until(lambda: here.conversation.cuts and bench.notice == "")
    assert len(asked_again) == (0 if more else 1)
    if more:
        assert here.conversation.draft == LONG + more
    else:
        await bench.until_started(6)
        assert (bench.started[-1], here.is_answering) == (LONG, True)
        assert here.conversation.draft == ""
    assert not other.is_answering
