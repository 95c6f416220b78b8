"""One selection across messages, by pointer and keyboard, and what is copied of it."""

from __future__ import annotations

from functools import partial

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDrag, QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QTextEdit, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.copied_selection import CopiedSelection
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.theme import DARK
from tests.ui.chat_view.messages import answer, question, streaming

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
PLAIN = Qt.KeyboardModifier.NoModifier
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
PARAGRAPHS = "\n\n".join(f"Paragraph number {n}, of some length." for n in range(40))


class Selecting:
    """A person at the transcript ``view``."""

    def __init__(self, qtbot: QtBot, view: ChatView) -> None:
        self.qtbot = qtbot
        self.view = view
        self.views: list[MessageView] = []
        self.pressed: QWidget = view  # what the pointer was last pressed on

    def show(self, *messages: Message) -> list[RichTextView]:
        self.view.set_messages(list(messages))
        self.qtbot.waitUntil(lambda: not self.view.is_working())
        found = [self.view.message_view(message.id) for message in messages]
        self.views = [each for each in found if each is not None]
        return [each.body for each in self.views]

    def place(self, body: RichTextView, position: int) -> QPoint:
        """Where a position of the text is on the screen."""
        cursor = body.textCursor()
        cursor.setPosition(position)
        return body.viewport().mapToGlobal(body.cursorRect(cursor).center())

    def pointer(
        self, kind: QEvent.Type, on: QWidget, place: QPoint, modifier: Qt.KeyboardModifier = PLAIN
    ) -> None:
        button = NONE if kind is QEvent.Type.MouseMove else LEFT
        held = NONE if kind is QEvent.Type.MouseButtonRelease else LEFT
        self.pressed = on if kind is QEvent.Type.MouseButtonPress else self.pressed
        local = QPointF(on.mapFromGlobal(place))
        event = QMouseEvent(kind, local, QPointF(place), button, held, modifier)
        QApplication.sendEvent(on, event)

    def click(
        self, body: RichTextView, position: int, modifier: Qt.KeyboardModifier = PLAIN
    ) -> None:
        place, on = self.place(body, position), body.viewport()
        self.pointer(QEvent.Type.MouseButtonPress, on, place, modifier)
        self.pointer(QEvent.Type.MouseButtonRelease, on, place, modifier)

    def drag(
        self, start: tuple[RichTextView, int], *stops: tuple[RichTextView, int], ends: bool = True
    ) -> None:
        on = start[0].viewport()
        self.pointer(QEvent.Type.MouseButtonPress, on, self.place(*start))
        for stop in stops:
            self.pointer(QEvent.Type.MouseMove, on, self.place(*stop))
        if ends:
            self.pointer(QEvent.Type.MouseButtonRelease, on, self.place(*stops[-1]))

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = PLAIN) -> None:
        # A window that is not in front, after other tests, gives nobody the keyboard.
        QTest.keyClick(QApplication.focusWidget() or self.pressed, key, modifier)

    def copied(self) -> str:
        QGuiApplication.clipboard().clear()
        self.press(Qt.Key.Key_C, CTRL)
        return QGuiApplication.clipboard().text()


def selected(bodies: list[RichTextView]) -> list[str]:
    """What each text has selected."""
    return [body.textCursor().selection().toPlainText() for body in bodies]


@pytest.fixture
def person(qtbot: QtBot, view: ChatView) -> Selecting:
    view.activateWindow()
    return Selecting(qtbot, view)


def three(person: Selecting) -> list[RichTextView]:
    return person.show(question("First one"), answer("Second **two**"), question("Third one"))


def test_a_drag_reaches_down_into_other_messages(person: Selecting) -> None:
    bodies = three(person)
    person.drag((bodies[0], 6), (bodies[1], 3), (bodies[2], 5))
    assert selected(bodies) == ["one", "Second two", "Third"]
    assert person.copied() == "You:\none\n\ntiny-model:\nSecond two\n\nYou:\nThird"


def test_and_up_and_back_into_the_first(person: Selecting) -> None:
    bodies = three(person)
    person.drag((bodies[2], 5), (bodies[1], 7), ends=False)
    assert selected(bodies) == ["", "two", "Third"]
    on = bodies[2].viewport()
    person.pointer(QEvent.Type.MouseMove, on, person.place(bodies[0], 6))
    assert selected(bodies) == ["one", "Second two", "Third"]
    person.pointer(QEvent.Type.MouseMove, on, person.place(bodies[2], 9))
    assert selected(bodies) == ["", "", " one"]
    person.pointer(QEvent.Type.MouseButtonRelease, on, person.place(bodies[2], 9))
    assert person.copied() == " one"  # of one message, so without a name


def test_a_click_clears_in_a_text_and_beside_it(person: Selecting) -> None:
    bodies = three(person)
    for body, position in ((bodies[1], 4), (bodies[0], 7)):  # in what is selected, and elsewhere
        person.drag((bodies[1], 2), (bodies[2], 5))
        assert selected(bodies) == ["", "cond two", "Third"]
        person.click(body, position)
        assert selected(bodies) == ["", "", ""]
    person.drag((bodies[1], 2), (bodies[2], 5))
    column = bodies[0].window().findChild(QWidget, "chatColumn")
    assert isinstance(column, QWidget)
    QTest.mouseClick(column, LEFT, PLAIN, QPoint(5, column.height() - 5))
    assert selected(bodies) == ["", "", ""]


def test_shift_and_click_extend(person: Selecting) -> None:
    bodies = three(person)
    person.click(bodies[0], 6)
    person.click(bodies[2], 5, SHIFT)
    assert selected(bodies) == ["one", "Second two", "Third"]
    person.click(bodies[1], 6, SHIFT)
    assert selected(bodies) == ["one", "Second", ""]
    person.click(bodies[0], 0, SHIFT)
    assert selected(bodies) == ["First ", "", ""]


def test_a_drag_may_begin_beside_the_texts(person: Selecting) -> None:
    bodies = three(person)
    column = bodies[0].window().findChild(QWidget, "chatColumn")
    assert isinstance(column, QWidget)
    start = column.mapToGlobal(QPoint(3, bodies[1].mapTo(column, QPoint(0, 3)).y()))
    person.pointer(QEvent.Type.MouseButtonPress, column, start)
    person.pointer(QEvent.Type.MouseMove, column, person.place(bodies[2], 5))
    person.pointer(QEvent.Type.MouseButtonRelease, column, person.place(bodies[2], 5))
    assert selected(bodies) == ["", "Second two", "Third"]


def test_select_all_takes_every_message(person: Selecting) -> None:
    bodies = three(person)
    bodies[1].setFocus()
    person.press(Qt.Key.Key_A, CTRL)
    assert selected(bodies) == ["First one", "Second two", "Third one"]
    person.view.setFocus()
    assert person.copied().startswith("You:\nFirst one\n\ntiny-model:\nSecond two")
    assert not QToolTip.isVisible()


def test_the_keyboard_goes_on_in_the_next_message_and_back(person: Selecting) -> None:
    bodies = three(person)
    bodies[0].setFocus()
    person.press(Qt.Key.Key_Down, SHIFT)
    assert selected(bodies) == ["First one", "", ""]
    person.press(Qt.Key.Key_Down, SHIFT)
    assert selected(bodies) == ["First one", "Second two", ""]
    for _ in range(2):
        person.press(Qt.Key.Key_Right, SHIFT)
    assert selected(bodies) == ["First one", "Second two", "Th"]
    assert QApplication.focusWidget() is bodies[2]
    for _ in range(5):
        person.press(Qt.Key.Key_Left, SHIFT)
    assert selected(bodies) == ["First one", "Second ", ""]
    person.press(Qt.Key.Key_Right)
    assert selected(bodies) == ["", "", ""]


def test_streaming_text_does_not_disturb_it(person: Selecting) -> None:
    running = streaming()
    bodies = person.show(question("Why is that?"))
    person.view.append_message(running)
    person.view.append_text(running.id, "One **two** thr")
    shown = partial(person.view.message_view, running.id)
    found = shown()
    assert found is not None
    person.qtbot.waitUntil(lambda: found.plain_text() == "One two thr")
    bodies.append(found.body)
    person.drag((bodies[0], 4), (bodies[1], 5))
    assert selected(bodies) == ["is that?", "One t"]
    for piece in ("ee\n\n- four", "\n- five", "\n\n```py\nx = 1\n```\n"):
        person.view.append_text(running.id, piece)
        person.qtbot.waitUntil(lambda: not person.view.is_working())
        assert selected(bodies) == ["is that?", "One t"]
    person.view.append_text(running.id, "[a]: http://b.c")
    person.qtbot.waitUntil(lambda: not person.view.is_working())
    assert selected(bodies) == ["is that?", "One t"]


def test_beyond_the_edge_the_transcript_scrolls_along(person: Selecting) -> None:
    bodies = person.show(question("Start"), answer(PARAGRAPHS))
    bar = person.view.verticalScrollBar()
    bar.setValue(0)
    on = bodies[0].viewport()
    person.pointer(QEvent.Type.MouseButtonPress, on, person.place(bodies[0], 2))
    bottom = QPoint(200, person.view.height() + 150)
    person.pointer(QEvent.Type.MouseMove, on, person.view.mapToGlobal(bottom))
    person.qtbot.waitUntil(lambda: bar.value() == bar.maximum())
    person.pointer(QEvent.Type.MouseButtonRelease, on, person.view.mapToGlobal(bottom))
    assert selected(bodies)[0] == "art"
    assert selected(bodies)[1].endswith("Paragraph number 39, of some length.")
    stays = bar.value()
    person.pointer(QEvent.Type.MouseButtonPress, on, person.place(bodies[0], 1))
    person.pointer(QEvent.Type.MouseMove, on, person.view.mapToGlobal(QPoint(200, -5)))
    person.qtbot.waitUntil(lambda: bar.value() < stays - 20)
    person.pointer(QEvent.Type.MouseButtonRelease, on, person.view.mapToGlobal(bottom))


def test_it_grows_while_the_pointer_rests_below_a_long_message(person: Selecting) -> None:
    """The transcript scrolled on, and what was selected stayed what it was at the last move."""
    (_, body) = bodies = person.show(question("Start"), answer(PARAGRAPHS * 3))
    bar = person.view.verticalScrollBar()
    bar.setValue(0)
    person.pointer(QEvent.Type.MouseButtonPress, body.viewport(), person.place(body, 2))
    below = person.view.mapToGlobal(QPoint(200, person.view.height() + 8))
    person.pointer(QEvent.Type.MouseMove, body.viewport(), below)
    first = len(selected(bodies)[1])
    person.qtbot.waitUntil(lambda: bar.value() > 300)
    person.pointer(QEvent.Type.MouseButtonRelease, body.viewport(), below)
    words = selected(bodies)[1].strip()
    assert len(words) > first + 100
    assert person.copied().endswith(words[-20:])


def test_what_is_taken_along_is_all_of_it_and_made_where_it_is_dropped(
    person: Selecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte held the window up for 0.16 s where the drag began. Here without the drag itself,
    in which the pointer is waited for."""
    bodies = three(person)
    person.drag((bodies[0], 6), (bodies[1], 6))
    taken: list[QMimeData] = []
    asked: list[CopiedSelection] = []
    plain = CopiedSelection.text

    def text(selection: CopiedSelection) -> str:
        asked.append(selection)
        return plain(selection)

    monkeypatch.setattr(CopiedSelection, "text", text)
    monkeypatch.setattr(QDrag, "exec", lambda drag, _actions: taken.append(drag.mimeData()))
    person.drag((bodies[1], 2), (bodies[1], 2), ends=False)
    assert taken == []
    person.drag((bodies[1], 2), (bodies[1], 6), ends=False)
    (data,) = taken
    assert (data.hasText(), data.hasHtml(), data.hasUrls()) == (True, True, False)
    assert asked == []
    field = QTextEdit(person.view)
    field.setAcceptRichText(False)
    field.insertFromMimeData(data)
    assert field.toPlainText() == data.text() == "You:\none\n\ntiny-model:\nSecond"
    assert len(asked) == 1
    assert data.html().endswith("<p><strong>tiny-model:</strong></p>Second")
    person.drag((bodies[1], 8), (bodies[1], 10))  # elsewhere it selects again
    assert selected(bodies) == ["", "wo", ""]


def test_a_third_click_selects_a_paragraph_and_goes_on_from_there(
    person: Selecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QDrag, "exec", lambda *_: pytest.fail("text was taken along"))
    (body,) = person.show(answer("First one.\n\nSecond one.\n\nThird one."))
    place, on = person.place(body, 2), body.viewport()
    person.click(body, 2)
    person.pointer(QEvent.Type.MouseButtonDblClick, on, place)
    person.pointer(QEvent.Type.MouseButtonRelease, on, place)
    assert selected([body]) == ["First"]
    person.drag((body, 2), (body, 14))
    assert selected([body]) == ["First one.\nSecond one.\n"]


def test_where_it_began_may_go(person: Selecting) -> None:
    bodies = three(person)
    person.click(bodies[1], 3)
    person.drag((bodies[1], 3), (bodies[2], 5))
    person.view.change_messages([view.message for view in (person.views[0], person.views[2])])
    person.qtbot.waitUntil(lambda: not person.view.is_working())
    person.view.setFocus()
    assert person.copied() == "Third"
    person.click(bodies[0], 2, SHIFT)  # Qt extends from where that text's cursor was
    assert selected([bodies[0], bodies[2]]) == ["Fi", ""]


def test_another_theme_leaves_it(person: Selecting) -> None:
    bodies = three(person)
    person.drag((bodies[0], 6), (bodies[1], 6))
    person.view.apply_theme(DARK)
    person.qtbot.waitUntil(lambda: not person.view.is_working())
    assert selected(bodies) == ["one", "Second", ""]
