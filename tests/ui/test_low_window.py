"""The composer in windows that are low: each of its parts has its own place, and the transcript
makes way for them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QSize
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.chat.parts import FilePart
from minerva_desktop.settings import Settings
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MINIMUM_SIZE, MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from tests.ui.parts import part

HINT = (
    "The chat with this message has about 3,120 tokens, and the context has room for 2,048. "
    "What it is asked to keep has 1,024."
)
NOTICE = Notice(NoticeKind.INFO, "code.py removed")
WAITING = (QueuedMessage("id", "And then this", Path("m.gguf")),)
SMALL_SCREEN = (683, 344)  # inside a window on one of 1366 × 768 at 200 %


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """With two rows of files and more, a waiting message, a long hint, and many lines of text."""
    window = MainWindow(icons, Settings(sidebar_visible=False))
    qtbot.addWidget(window)
    window.setMinimumSize(QSize(*SMALL_SCREEN).boundedTo(QSize(*MINIMUM_SIZE)))
    composer = window.composer
    for number in range(12):
        composer.attachments.add(FilePart(f"file_{number}.py", "x = 1", 600))
    composer.waiting.show_messages(WAITING, is_paused=False)
    composer.show_hint(HINT)
    composer.set_generating(True)
    composer.set_text("\n".join(f"line {number}" for number in range(40)))
    with qtbot.waitExposed(window):
        window.show()
    return window


def _fit(qtbot: QtBot, window: MainWindow, size: tuple[int, int]) -> None:
    window.resize(*size)
    for _ in range(3):  # what is hidden or shown by one layout is laid out by the next
        QApplication.processEvents()
    assert (window.width(), window.height()) == size


def _span(window: MainWindow, widget: QWidget) -> tuple[int, int]:
    """Where it begins and ends on the window, from its top (px)."""
    top = widget.mapTo(window, QPoint(0, 0)).y()
    return top, top + widget.height()


def _lines(window: MainWindow) -> float:
    """How many lines of the text are seen."""
    editor = part(window, MessageEdit, "composer")
    return editor.viewport().height() / editor.fontMetrics().lineSpacing()


@pytest.mark.parametrize(
    ("size", "has_notice", "n_lines", "n_rows"),
    [
        ((640, 480), True, 3, 2),
        ((640, 400), False, 3, 1),
        (MINIMUM_SIZE, True, 3, 1),
        (SMALL_SCREEN, False, 3, 1),
        (SMALL_SCREEN, True, 2, 1),
        ((640, 600), False, 5, 2),
        ((700, 560), False, 5, 2),
    ],
)
def test_nothing_in_it_is_over_another(
    qtbot: QtBot,
    window: MainWindow,
    size: tuple[int, int],
    *,
    has_notice: bool,
    n_lines: int,
    n_rows: int,
) -> None:
    """The warning was drawn over the files, and the text over both; or one line was seen."""
    if has_notice:
        window.notifications.show_notice(NOTICE)
    _fit(qtbot, window, size)
    composer = window.composer
    hint, editor = part(window, QWidget, "composerHint"), part(window, MessageEdit, "composer")
    parts = (composer.waiting, composer.attachments, hint, editor, window.status)
    spans = [_span(window, each) for each in (window.header, window.chat_view, *parts)]
    for (_, end), (begin, _) in pairwise(spans):
        assert end <= begin
    assert hint.height() >= hint.heightForWidth(hint.width())
    assert _lines(window) >= n_lines
    assert composer.attachments.height() == composer.attachments.height_of(n_rows)


def test_a_notice_has_the_files_give_way_and_come_back(qtbot: QtBot, window: MainWindow) -> None:
    _fit(qtbot, window, MINIMUM_SIZE)
    strip = window.composer.attachments
    assert strip.height() == strip.height_of(2)
    window.notifications.show_notice(NOTICE)
    qtbot.waitUntil(lambda: strip.height() == strip.height_of(1))
    window.notifications.dismiss(NOTICE.identity)
    qtbot.waitUntil(lambda: strip.height() == strip.height_of(2))
    assert _lines(window) >= 3


def test_a_message_that_comes_to_wait_has_room_too(qtbot: QtBot, window: MainWindow) -> None:
    composer, waiting = window.composer, window.composer.waiting
    waiting.show_messages([], is_paused=False)
    _fit(qtbot, window, (640, 440))
    assert composer.attachments.height() == composer.attachments.height_of(2)
    waiting.show_messages(WAITING, is_paused=True)
    qtbot.waitUntil(lambda: waiting.height() == waiting.height_in(waiting.width()))
    assert composer.attachments.height() == composer.attachments.height_of(1)
    assert _lines(window) >= 3


def test_files_that_come_after_there_were_none_are_shown(qtbot: QtBot, window: MainWindow) -> None:
    """They were sent unseen, until the window got another size."""
    _fit(qtbot, window, (1100, 740))
    strip = window.composer.attachments
    for _ in range(2):
        strip.start_over(())
        window.notifications.show_notice(NOTICE)
        QApplication.processEvents()
        assert strip.isHidden()
        strip.add(FilePart("a.txt", "a", 1))
        qtbot.waitUntil(lambda: strip.height() == strip.height_of(1) > 0)
        window.notifications.dismiss(NOTICE.identity)
