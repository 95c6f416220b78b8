"""Messages of very many lines are folded, and nothing of them is out of reach."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_text import FOLD_ABOVE_LINES, FOLD_SHOWN_LINES
from minerva_desktop.ui.icons import Icons
from tests.ui.chat_view.messages import answer, ended, question, streaming
from tests.ui.chat_view.test_find import Finding

LINES = "".join(f"line {n}\n" for n in range(FOLD_ABOVE_LINES + 100))


@pytest.mark.parametrize("message", [question(LINES), answer(f"```\n{LINES}```\n")])
def test_many_short_lines_are_folded(qtbot: QtBot, view: ChatView, message: Message) -> None:
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    shown = view.message_view(message.id)
    assert shown is not None
    assert len(shown.body.rows) == pytest.approx(FOLD_SHOWN_LINES, abs=2)
    assert shown.source() == message.text
    (unfold,) = [b for b in shown.findChildren(QPushButton) if b.text().startswith("Show all (")]
    unfold.click()
    qtbot.waitUntil(lambda: not view.is_working(), timeout=20_000)
    assert shown.body.rows[-1].text in LINES.split("\n")[-2:]
    assert len(shown.body.rows) >= FOLD_ABOVE_LINES + 100


def test_find_and_copy_have_what_is_folded(qtbot: QtBot, view: ChatView, icons: Icons) -> None:
    message = answer(f"```\n{LINES}needle\n```\n")
    finding = Finding(qtbot, view, icons)
    finding.open_chat(message)
    shown = view.message_view(message.id)
    assert shown is not None
    assert shown.source() == message.text
    finding.look_for("needle")
    finding.until("1 of 1")
    assert finding.marked(message) == ["needle"]


def test_what_was_written_before_ones_eyes_stays(qtbot: QtBot, view: ChatView) -> None:
    message = streaming()
    view.begin_answer(message)
    view.append_text(message.id, LINES)
    view.finish_message(ended(message, LINES))
    qtbot.waitUntil(lambda: not view.is_working(), timeout=20_000)
    assert f"line {FOLD_ABOVE_LINES + 99}" in view.plain_text()
