"""A transcript in a window of its own."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view import chat_finder
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.icons import Icons


@pytest.fixture
def view(qtbot: QtBot, icons: Icons) -> ChatView:
    """Shown, 800 × 600 px, empty."""
    view = ChatView(icons)
    qtbot.addWidget(view)
    view.resize(800, 600)
    with qtbot.waitExposed(view):
        view.show()
    return view


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is looked through again ten times as soon; to be named before `view`."""
    monkeypatch.setattr(chat_finder, "REFRESH_MS", 50)
