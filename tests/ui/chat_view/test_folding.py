"""Messages of very many lines are folded, and nothing of them is out of reach."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_text import FOLD_ABOVE_LINES, FOLD_SHOWN_LINES
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.icons import Icons
from minerva_desktop.units import format_bytes
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
    qtbot.waitUntil(lambda: not view.is_working())
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


def unfold_button(shown: MessageView) -> QPushButton:
    found = [b for b in shown.findChildren(QPushButton) if b.text().startswith("Show all (")]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def written(qtbot: QtBot, view: ChatView) -> tuple[Message, MessageView]:
    """An answer that is being written, and has more lines than are laid out."""
    message = streaming()
    view.append_message(message)
    shown = view.message_view(message.id)
    assert shown is not None
    for start in range(0, len(LINES), 5_000):
        view.append_text(message.id, LINES[start : start + 5_000])
    qtbot.waitUntil(lambda: not view.is_working())
    return message, shown


def test_one_that_is_written_is_folded_from_there_on(
    qtbot: QtBot, view: ChatView, written: tuple[Message, MessageView]
) -> None:
    """20,000 lines took 100 MB, until the chat was opened anew."""
    message, shown = written
    n_lines = shown.body.document().blockCount()
    assert shown.plain_text().split("\n")[-1].endswith(f"line {FOLD_ABOVE_LINES - 1}")
    assert not shown.is_whole
    button = unfold_button(shown)
    assert button.isVisible()
    assert button.text() == f"Show all ({format_bytes(len(LINES))})"
    more = "more of it\n" * 20_000
    view.append_text(message.id, more)
    qtbot.waitUntil(lambda: not view.is_working())
    assert button.text() == f"Show all ({format_bytes(len(LINES + more))})"
    view.finish_message(ended(message, LINES + more))
    qtbot.waitUntil(lambda: not view.is_working())
    assert shown.body.document().blockCount() == n_lines
    assert button.isVisible()
    assert shown.source() == LINES + more


def test_one_that_is_unfolded_while_it_is_written_stays_so(
    qtbot: QtBot, view: ChatView, written: tuple[Message, MessageView]
) -> None:
    message, shown = written
    unfold_button(shown).click()
    view.append_text(message.id, "more of it")
    qtbot.waitUntil(lambda: not view.is_working())
    assert not unfold_button(shown).isVisible()
    assert shown.plain_text().endswith("more of it")
    view.finish_message(ended(message, f"{LINES}more of it, and its end"))
    qtbot.waitUntil(lambda: not view.is_working())
    assert shown.is_whole
    assert shown.plain_text().endswith("more of it, and its end")
