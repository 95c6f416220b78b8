"""Where the keyboard is after something was found."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from tests.ui.chat_view.messages import answer
from tests.ui.chat_view.test_find import Finding, finding

__all__ = ["finding"]


def test_escape_leaves_the_keyboard_at_what_was_found(finding: Finding, qtbot: QtBot) -> None:
    thought = msgspec.structs.replace(answer("No."), parts=(ReasoningPart("A fox, maybe"),))
    given = [answer("A fox in a box."), answer("No such animal."), thought]
    finding.open_chat(*given)
    finding.look_for("fox")
    finding.until("1 of 2")
    with qtbot.assertNotEmitted(finding.finder.closed):
        finding.press(Qt.Key.Key_Escape)
    view = finding.view.message_view(given[0].id)
    assert view is not None
    assert finding.view.window().focusWidget() is view.body
    assert view.body.textCursor().position() == len("A fox")
    finding.look_for("fox")
    finding.until("1 of 2")
    finding.press(Qt.Key.Key_Return)
    finding.until("2 of 2")
    finding.press(Qt.Key.Key_Escape)
    focused = finding.view.window().focusWidget()
    assert isinstance(focused, RichTextView)
    assert focused.toPlainText() == "A fox, maybe"
