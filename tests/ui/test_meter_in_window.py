"""The context meter counts while the first answer of a chat is written."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import remember

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _used(opened: OpenWindow) -> int:
    """The tokens that the meter tells; 0 where it knows none."""
    number = opened.context.removeprefix("Context: ").partition(" / ")[0].replace(",", "")
    return int(number) if number.isdigit() else 0


def test_it_grows_with_the_answer(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    remember(SamplingParameters(ignore_eos=True, seed=1))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.send("Write a story.")
        opened.until("count", lambda: _used(opened) > 10)
        assert opened.is_answering
        first = _used(opened)
        opened.until("more", lambda: _used(opened) > first)
        assert opened.is_answering
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)
