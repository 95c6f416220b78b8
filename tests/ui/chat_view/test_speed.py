"""What keeps the transcript quick: little is painted, made or laid out at a time."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.jump_button import JumpButton
from tests.ui.chat_view.messages import answer, ended, streaming


class Paints(QObject):
    """Which widgets of the application are painted from now on."""

    def __init__(self, app: QApplication) -> None:
        super().__init__()
        self.widgets: list[QObject] = []
        app.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self.widgets.append(watched)
        return super().eventFilter(watched, event)


def test_what_is_scrolled_is_moved_and_not_painted_anew(
    qtbot: QtBot, view: ChatView, dressed_app: QApplication
) -> None:
    """Also under the button that leads back to the end; it took four times as long before."""
    messages = [answer(f"Answer {number}. " + "It flows on. " * 20) for number in range(30)]
    view.set_messages(messages)
    qtbot.waitUntil(lambda: not view.is_working())
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    QApplication.processEvents()
    assert any(jump.isVisible() for jump in view.findChildren(JumpButton))
    height = view.viewport().height()
    paints = Paints(dressed_app)
    bar.setValue(bar.value() - 40)
    QApplication.processEvents()
    dressed_app.removeEventFilter(paints)
    seen = range(bar.value() + 40, bar.value() + height - 60)  # and above the button
    shown = [view.message_view(message.id) for message in messages]
    inside = [each for each in shown if each and each.top in seen and each.bottom in seen]
    assert len(inside) >= 2
    assert not {each.body.viewport() for each in inside}.intersection(paints.widgets)
    assert len({each.body.viewport() for each in shown if each} & set(paints.widgets)) >= 1


def test_an_answer_that_ended_well_is_few_widgets(qtbot: QtBot, view: ChatView) -> None:
    """Each of them costs time: when a chat is opened, and when the theme changes."""
    good = ended(streaming(), "Well.")
    view.set_messages([good, answer("The last has its actions.")])
    qtbot.waitUntil(lambda: not view.is_working())
    shown = view.message_view(good.id)
    assert shown is not None
    assert len(shown.findChildren(QWidget)) <= 9


def test_what_is_out_of_sight_is_selected_by_and_by(qtbot: QtBot, view: ChatView) -> None:
    """All 300 at once took 16 to 25 ms. Who copies before that is over gets all the same."""
    messages = [answer(f"Answer {number}. " + "It flows on. " * 20) for number in range(60)]
    view.set_messages(messages)
    qtbot.waitUntil(lambda: not view.is_working())
    selection = view.messages.selection
    assert selection is not None
    shown = [view.message_view(message.id) for message in messages]
    bodies = [each.body for each in shown if each is not None]
    set_at_once: list[int] = []
    for number, body in enumerate(bodies):
        body.selectionChanged.connect(lambda number=number: set_at_once.append(number))
    selection.select_all()
    assert set_at_once[0] > 50  # in sight
    assert selection.text().count("It flows on.") == 60 * 20
    assert all(body.is_all_selected for body in bodies)
    selection.clear()
    assert not selection.exists
    selection.select_all()
    qtbot.waitUntil(lambda: all(body.is_all_selected for body in bodies))
    bodies[-1].clear_selection()
    selection.clear()
    qtbot.waitUntil(lambda: not any(body.textCursor().hasSelection() for body in bodies))
