"""What stands in the message field's card keeps apart in a short window, and some text is seen."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart
from minerva_desktop.settings import Settings
from minerva_desktop.ui.attachment_strip import AttachmentStrip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

HINT = "The chat with this message takes about 9,040 tokens. The context of small has 8,192. " * 2


@pytest.mark.parametrize("size", [(640, 420), (640, 480), (700, 560), (700, 700)])
def test_nothing_lies_upon_another(qtbot: QtBot, icons: Icons, size: tuple[int, int]) -> None:
    """What is said of the message lay upon its files."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    window.resize(*size)
    composer = window.composer
    undo = (NoticeAction("Undo", "undo"),)
    window.notifications.show_notice(Notice(NoticeKind.INFO, "Chat deleted", actions=undo))
    for number in range(4):
        composer.attachments.add(FilePart(f"file{number}.py", "print(1)\n", 9))
    composer.show_hint(HINT)
    composer.set_text("\n".join(f"Line {number}" for number in range(40)))
    strip = part(composer, AttachmentStrip, "attachmentStrip")
    hint = part(composer, QLabel, "composerHint")
    editor = part(composer, MessageEdit, "composer")
    qtbot.waitUntil(lambda: composer.height() >= composer.heightForWidth(composer.width()))
    assert strip.geometry().bottom() < hint.geometry().top()
    assert hint.geometry().bottom() < editor.geometry().top()
    assert hint.height() >= hint.heightForWidth(hint.width())
    assert editor.viewport().height() > 2 * editor.fontMetrics().lineSpacing()
    assert window.chat_view.height() > 60
