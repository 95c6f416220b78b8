"""The line above which messages are no longer given to the model."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.paths import resources_dir
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import ThemeSource
from tests.chat.samples import make_conversation

SUMMARY = "They spoke about the sea. " * 12


@pytest.fixture
def view(qtbot: QtBot, dressed_app: QApplication) -> ChatView:
    icons = Icons(resources_dir() / "icons", ThemeSource(dressed_app.styleHints()))
    view = ChatView(icons)
    qtbot.addWidget(view)
    view.resize(700, 900)
    view.show()
    return view


def _shown(qtbot: QtBot, view: ChatView, summary: str = "") -> ContextCut:
    """A chat of six messages that is cut before the fifth."""
    branch = make_conversation(*(f"message {number}" for number in range(6))).active_branch()
    cut = ContextCut(first_id=branch[4].id, created_at=1.0, summary=summary)
    view.set_messages(branch)
    view.cut_mark.set_cut(cut)
    qtbot.waitUntil(lambda: not view.is_working())
    return cut


def _button(view: ChatView, name: str) -> QPushButton:
    (button,) = view.findChildren(QPushButton, name)
    return button


def test_the_line_stands_between_what_is_sent_and_what_is_not(qtbot: QtBot, view: ChatView) -> None:
    cut = _shown(qtbot, view)
    mark, below = view.cut_mark, view.message_view(cut.first_id)
    qtbot.waitUntil(mark.isVisible)
    assert below is not None
    assert mark.geometry().bottom() < below.y()
    assert mark.accessibleName() == "The model is not given what is above"
    assert not _button(view, "showSummaryButton").isVisible()
    with qtbot.waitSignal(mark.restore_requested):
        QTest.mouseClick(_button(view, "restoreCutButton"), Qt.MouseButton.LeftButton)
    top = below.y()
    mark.set_cut(None)
    assert not mark.isVisible()
    assert below.y() < top


def test_the_summary_is_shown_on_demand(qtbot: QtBot, view: ChatView) -> None:
    cut = _shown(qtbot, view, SUMMARY)
    qtbot.waitUntil(view.cut_mark.isVisible)
    (label,) = view.findChildren(QLabel, "cutSummary")
    below = view.message_view(cut.first_id)
    assert below is not None
    assert not label.isVisible()
    top = below.y()
    QTest.mouseClick(_button(view, "showSummaryButton"), Qt.MouseButton.LeftButton)
    assert label.isVisible()
    assert label.text() == SUMMARY
    assert label.height() >= label.heightForWidth(label.width())
    assert below.y() >= top + label.height()
    QTest.mouseClick(_button(view, "showSummaryButton"), Qt.MouseButton.LeftButton)
    assert below.y() == top


def test_an_empty_chat_has_no_line(qtbot: QtBot, view: ChatView) -> None:
    _shown(qtbot, view)
    qtbot.waitUntil(view.cut_mark.isVisible)
    view.set_messages([])
    view.cut_mark.set_cut(None)
    assert not view.cut_mark.isVisible()
