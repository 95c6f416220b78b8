"""Under an answer that filled the context it is said, and what helps is offered."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QPushButton

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.chat_view.chat_view import ChatView
from tests.ui.chat_view.messages import ended, streaming


def labels(view: ChatView) -> set[str]:
    return {each.text() for each in view.findChildren(QLabel) if each.isVisible()}


def buttons(view: ChatView) -> set[str]:
    return {each.text() for each in view.findChildren(QPushButton) if each.isVisible()}


def test_an_answer_cut_off_by_a_full_context_says_so(view: ChatView) -> None:
    timings = Timings(prompt_tokens=325, completion_tokens=187)
    full = Completion(finish_reason=FinishReason.LENGTH, timings=timings, seed=1, full_context=512)
    running = streaming()
    view.append_message(running)
    view.finish_message(ended(running, "and then", completion=full))
    why = "The answer was cut off because the context of 512 tokens is full."
    assert why in labels(view)
    assert "Continue" in buttons(view)
    view.offer_help(running.id, AnswerHelp(options=True, cut="Without the oldest it fits."))
    assert f"{why} Without the oldest it fits." in labels(view)
    assert "Continue" not in buttons(view)
    assert {"Load options…", "Keep the newest"} <= buttons(view)
    view.offer_help(running.id, AnswerHelp(cut=""))  # a summary has made room
    assert why in labels(view)
    assert "Continue" in buttons(view)
    assert "Keep the newest" not in buttons(view)


def test_no_button_comes_in_the_place_of_continue(view: ChatView) -> None:
    timings = Timings(prompt_tokens=325, completion_tokens=187)
    full = Completion(finish_reason=FinishReason.LENGTH, timings=timings, seed=1, full_context=512)
    running = streaming()
    view.append_message(running)
    view.offer_help(running.id, AnswerHelp(seeks=True))
    view.finish_message(ended(running, "and then", completion=full))
    assert not {"Continue", "Keep the newest"} & buttons(view)
    view.offer_help(running.id, AnswerHelp(cut="", seeks=False))
    assert "Continue" in buttons(view)
