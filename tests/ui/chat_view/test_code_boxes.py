"""Code can be copied, saved and unwrapped, with the pointer and by keyboard."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.code_files import file_name
from minerva_desktop.ui.chat_view.code_sheet import CodeSheet
from minerva_desktop.ui.chat_view.copy_button import SIZE
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.theme import ThemeSource
from tests.ui.chat_view.messages import answer, ended, streaming

LONG = "x = [" + ", ".join(map(str, range(100))) + "]"
SOURCE = f"Look:\n\n```py\n{LONG}\n    y = 2\n```\n\n- item\n\n  ```\n  plain\n  ```\n\nend"


def shown(qtbot: QtBot, view: ChatView, text: str = SOURCE) -> MessageView:
    message = answer(text)
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    found = view.message_view(message.id)
    assert found is not None
    return found


def bars(message: MessageView) -> list[CodeBar]:
    return message.findChildren(CodeBar)


def sheets(message: MessageView) -> list[CodeSheet]:
    return [sheet for sheet in message.findChildren(CodeSheet) if sheet.isVisible()]


def test_buttons_have_names_and_the_keyboard_reaches_them(qtbot: QtBot, view: ChatView) -> None:
    message = shown(qtbot, view)
    first, second = bars(message)
    names = [button.accessibleName() for button in first.findChildren(QToolButton)]
    assert names == ["Wrap long lines of Python code", "Save Python code as…", "Copy Python code"]
    assert second.save.accessibleName() == "Save code as…"
    for button in first.findChildren(QToolButton):
        assert button.focusPolicy() is Qt.FocusPolicy.TabFocus
        assert button.isVisible()


def test_they_are_seen_while_the_pointer_is_in_the_box(qtbot: QtBot, view: ChatView) -> None:
    message = shown(qtbot, view)
    first, second = bars(message)
    quiet = first.save.grab().toImage()
    place = QPointF(first.geometry().center() + QPoint(-300, 40))
    nothing = Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove, place, place, nothing, nothing, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(message.body.viewport(), event)
    assert (first.is_awake, second.is_awake) == (True, False)
    assert first.save.grab().toImage() != quiet
    QApplication.sendEvent(message.body, QEvent(QEvent.Type.Leave))
    assert not first.is_awake
    assert first.save.grab().toImage() == quiet


def n_lines(message: MessageView) -> int:
    """Lines that the long line of code takes."""
    return message.body.document().findBlockByNumber(1).layout().lineCount()


def test_long_lines_wrap_until_they_are_told_not_to(qtbot: QtBot, view: ChatView) -> None:
    message = shown(qtbot, view)
    first, second = bars(message)
    height, wrapped = message.height(), n_lines(message)
    assert wrapped > 2
    first.wrap.click()
    assert n_lines(message) == 1
    assert message.height() < height - 30
    (sheet,) = sheets(message)
    assert sheet.toPlainText() == f"{LONG}\n    y = 2"
    assert sheet.accessibleName() == "Python code"
    assert sheet.horizontalScrollBar().maximum() > 500
    qtbot.waitUntil(sheet.isVisible)
    assert sheet.horizontalScrollBar().value() == 0
    assert sheet.textCursor().position() == 0
    last = sheet.document().lastBlock()
    bottom = sheet.document().documentLayout().blockBoundingRect(last).bottom()
    assert bottom <= sheet.viewport().height()
    assert sheet.geometry().top() >= first.geometry().bottom()
    assert sheet.geometry().bottom() < second.geometry().top()
    first.wrap.click()
    assert (n_lines(message), message.height(), sheets(message)) == (wrapped, height, [])


def test_a_sheet_scrolls_sideways_and_leaves_the_rest_to_the_transcript(
    qtbot: QtBot, view: ChatView
) -> None:
    message = shown(qtbot, view)
    bars(message)[0].wrap.click()
    (sheet,) = sheets(message)
    bar, nothing, shift = (
        sheet.horizontalScrollBar(),
        Qt.KeyboardModifier.NoModifier,
        Qt.KeyboardModifier.ShiftModifier,
    )
    # What is not accepted goes to whatever is behind.
    assert (turn(sheet, QPoint(0, -120), nothing), bar.value()) == (False, 0)
    assert (turn(sheet, QPoint(-120, 0), nothing), bar.value()) == (True, 120)
    assert (turn(sheet, QPoint(0, -120), shift), bar.value()) == (True, 240)
    assert (turn(sheet, QPoint(0, 240), shift), bar.value()) == (True, 0)
    assert (turn(sheet, QPoint(0, 120), shift), bar.value()) == (True, 0)  # at its end, too


def turn(sheet: CodeSheet, by: QPoint, keys: Qt.KeyboardModifier) -> bool:
    """Whether the sheet took a turn of the wheel over it."""
    place = QPointF(sheet.rect().center())
    event = QWheelEvent(
        place,
        QPointF(sheet.mapToGlobal(place)),
        QPoint(),
        by,
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(sheet.viewport(), event)
    return event.isAccepted()


def test_a_line_that_is_shown_as_several_is_copied_as_one(qtbot: QtBot, view: ChatView) -> None:
    line = "x" * 5_000
    message = shown(qtbot, view, f"Look:\n\n```\n{line}\ny\n```")
    message.body.selectAll()
    assert message.body.selected_text() == f"Look:\n\n{line}\ny"
    message.body.select(len("Look:") + 1 + 100, message.body.document().characterCount() - 1)
    assert message.body.selected_text() == f"{line[100:]}\ny"
    assert message.body.selected_markdown(shows_all=True) == f"```\n{line[100:]}\ny\n```"
    bars(message)[0].wrap.click()
    (sheet,) = sheets(message)
    sheet.selectAll()
    sheet.copy()
    assert QApplication.clipboard().text() == f"{line}\ny"


def test_the_buttons_of_long_code_stay_in_sight(qtbot: QtBot, view: ChatView) -> None:
    code = "\n".join(f"line = {n}" for n in range(200))
    message = shown(qtbot, view, f"Look:\n\n```py\n{code}\n```\n\n" + "More.\n\n" * 40)
    (bar,) = bars(message)
    scroll = view.verticalScrollBar()

    def place() -> int:
        return bar.mapTo(view.viewport(), QPoint()).y()

    scroll.setValue(0)
    header = place()
    scroll.setValue(header)
    assert 0 <= place() < SIZE
    scroll.setValue(header + 1_000)
    assert 0 <= place() < SIZE
    QTest.mouseClick(bar.copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == code
    view.resize(600, 500)  # the text is laid out anew
    assert 0 <= place() < SIZE
    scroll.setValue(scroll.maximum())
    assert place() < 0  # with the foot of its box
    scroll.setValue(0)
    assert place() == header


def test_keys_that_go_up_and_down_scroll_the_transcript_from_a_sheet_too(
    qtbot: QtBot, view: ChatView
) -> None:
    message = shown(qtbot, view, f"{SOURCE}\n\n" + "More.\n\n" * 60)
    bars(message)[0].wrap.click()
    (sheet,) = sheets(message)
    bar = view.verticalScrollBar()
    for key in (Qt.Key.Key_PageDown, Qt.Key.Key_Down, Qt.Key.Key_Space):
        bar.setValue(0)
        QTest.keyClick(sheet, key)
        assert bar.value() > 0
    QTest.keyClick(sheet, Qt.Key.Key_End)
    assert sheet.textCursor().positionInBlock() == len(LONG)


def test_a_box_that_does_not_wrap_goes_on_while_it_is_written(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, f"```py\n{LONG}\nfirst")
    qtbot.waitUntil(lambda: not view.is_working())
    message = view.message_view(running.id)
    assert message is not None
    bars(message)[0].wrap.click()
    text = f"```py\n{LONG}\nfirst = 1\n{LONG}\n```\n\nend"
    view.append_text(running.id, text.removeprefix(f"```py\n{LONG}\nfirst"))
    view.finish_message(ended(running, text))
    qtbot.waitUntil(lambda: not view.is_working())
    (sheet,) = sheets(message)
    assert sheet.toPlainText() == f"{LONG}\nfirst = 1\n{LONG}"
    blocks = message.body.document()
    assert [blocks.findBlockByNumber(at).layout().lineCount() for at in range(3)] == [1, 1, 1]
    themes.set_choice(ThemeChoice.DARK)
    view.apply_theme(themes.theme)
    assert sheet.palette().base().color() == QColor(themes.theme.code)
    assert sheet.toPlainText() == f"{LONG}\nfirst = 1\n{LONG}"


def test_an_answer_that_begins_with_code_has_its_box_in_place_from_the_first_line(
    qtbot: QtBot, view: ChatView
) -> None:
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, "```")
    qtbot.waitUntil(lambda: not view.is_working())
    view.append_text(running.id, "py\n")
    qtbot.waitUntil(lambda: not view.is_working())
    message = view.message_view(running.id)
    assert message is not None
    (bar,) = bars(message)
    place, height = bar.geometry(), message.body.height()
    assert message.body.rect().contains(place)
    view.append_text(running.id, "\n```")
    view.finish_message(ended(running, "```py\n\n```"))
    qtbot.waitUntil(lambda: not view.is_working())
    assert (bar.geometry(), message.body.height()) == (place, height)


def test_a_place_painted_alone_looks_as_in_the_whole(qtbot: QtBot, view: ChatView) -> None:
    ground = shown(qtbot, view).body.viewport()
    whole = ground.grab().toImage()
    for y in range(0, whole.height(), 2):
        pixel = QRect(whole.width() - 14, y, 1, 1)  # where boxes have neither text nor corners
        assert ground.grab(pixel).toImage() == whole.copy(pixel), y


def test_save_hands_over_the_code_as_it_was_written(qtbot: QtBot, view: ChatView) -> None:
    message = shown(qtbot, view)
    with qtbot.waitSignal(view.events.save_requested) as asked:
        bars(message)[0].save.click()
    assert asked.args == [f"{LONG}\n    y = 2\n", "code.py"]


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("Python", "code.py"),
        ("Bash", "code.sh"),
        ("C++", "code.cpp"),
        ("S", "code.S"),
        ("Docker", "Dockerfile"),
        ("JSON", "code.json"),
        ("Text only", "code.txt"),
        ("Text output", "code.txt"),
        ("unheard-of", "code.txt"),
        ("../../etc/passwd", "code.txt"),
        ("", "code.txt"),
    ],
)
def test_what_the_file_is_called(language: str, name: str) -> None:
    assert file_name(language) == name
