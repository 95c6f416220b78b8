"""Notices: one at a time, nothing lost, nothing interpreted."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind, NotificationBar
from tests.ui.parts import part

UNDO = Notice(NoticeKind.INFO, "Chat deleted.", actions=(NoticeAction("Undo", "undo:7"),))
DIED = Notice(
    NoticeKind.ERROR,
    "The engine ended (signal 9).",
    detail="ggml_abort\nline two",
    actions=(NoticeAction("Reload & retry", "reload"),),
)


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    """A window whose focus is elsewhere than in the bar."""
    window = QWidget()
    qtbot.addWidget(window)
    box = QVBoxLayout(window)
    editor = QLineEdit()
    box.addWidget(editor)
    box.addStretch(1)
    window.resize(700, 300)
    window.move(400, 400)  # away from the pointer, under which no notice hides itself
    with qtbot.waitExposed(window):
        window.show()
    editor.setFocus()
    return window


@pytest.fixture
def bar(window: QWidget, icons: Icons) -> NotificationBar:
    return make_bar(window, icons)


def make_bar(window: QWidget, icons: Icons, auto_hide_ms: int = 60_000) -> NotificationBar:
    bar = NotificationBar(icons, auto_hide_ms=auto_hide_ms)
    box = window.layout()
    assert box is not None
    box.addWidget(bar)
    return bar


def card(bar: NotificationBar) -> QFrame:
    return next(c for c in bar.findChildren(QFrame, "noticeCard") if not c.isHidden())


def sentence(bar: NotificationBar) -> str:
    return part(card(bar), QLabel, "noticeText").text()


def press(bar: NotificationBar, label: str) -> None:
    button = next(b for b in card(bar).findChildren(QPushButton) if b.accessibleName() == label)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_nothing_is_shown_at_first(bar: NotificationBar) -> None:
    assert not bar.isVisible()
    assert bar.shown is None


def test_an_action_is_reported_and_ends_the_notice(qtbot: QtBot, bar: NotificationBar) -> None:
    bar.show_notice(DIED)
    assert sentence(bar) == "The engine ended (signal 9)."
    with qtbot.waitSignal(bar.closed) as closed, qtbot.waitSignal(bar.action_triggered) as action:
        press(bar, "Reload & retry")
    assert closed.args == [DIED.text]
    assert action.args == ["reload"]
    assert not bar.isVisible()


def test_the_newest_is_shown_and_the_others_come_back(bar: NotificationBar) -> None:
    bar.show_notice(DIED)
    bar.show_notice(UNDO)
    assert sentence(bar) == "Chat deleted."
    assert part(card(bar), QPushButton, "noticeMoreButton").text() == "1 more"
    QTest.mouseClick(part(card(bar), QToolButton, "noticeCloseButton"), Qt.MouseButton.LeftButton)
    assert sentence(bar) == "The engine ended (signal 9)."


@pytest.mark.parametrize("width", [800, 480])
def test_what_a_notice_offers_keeps_its_place_when_others_come(
    qtbot: QtBot, window: QWidget, bar: NotificationBar, width: int
) -> None:
    """*Close all* was where *Undo* had been."""
    window.resize(width, 400)
    places = []
    for number in range(3):
        bar.show_notice(msgspec.structs.replace(UNDO, text=f"Chat {number} deleted."))
        qtbot.waitUntil(lambda: card(bar).width() > 200)
        QTest.qWait(0)
        (undo,) = (each for each in card(bar).findChildren(QPushButton) if each.text() == "Undo")
        places.append(undo.mapTo(card(bar), undo.rect().topLeft()).toTuple())
    assert places[0] == places[1] == places[2]


def test_several_are_stepped_through_and_closed_at_once(bar: NotificationBar) -> None:
    closed: list[str] = []
    bar.closed.connect(closed.append)
    for number in range(5):
        bar.show_notice(Notice(NoticeKind.WARNING, f"Problem {number}"))
    seen = []
    for _ in range(5):
        seen.append(sentence(bar))
        press(bar, "4 more")
    assert seen == [f"Problem {number}" for number in (4, 3, 2, 1, 0)]
    assert sentence(bar) == "Problem 4"
    press(bar, "Close all")
    assert not bar.isVisible()
    assert sorted(closed) == sorted(seen)


def test_the_same_problem_does_not_pile_up(bar: NotificationBar) -> None:
    bar.show_notice(DIED)
    bar.show_notice(UNDO)
    bar.show_notice(DIED)
    assert bar.shown == DIED
    bar.dismiss(DIED.identity)
    bar.dismiss(UNDO.identity)
    assert bar.shown is None


def test_what_is_about_a_chat_is_there_with_that_chat_alone(bar: NotificationBar) -> None:
    bar.enter_chat("tides")
    bar.show_notice(DIED)
    refused = Notice(NoticeKind.WARNING, "a.bin cannot be attached.", key="told", is_of_chat=True)
    bar.show_notice(refused)
    bar.leave_chat("tides")
    bar.dismiss("told")  # what stands in the composer changes on the way
    bar.enter_chat("lisbon")
    assert sentence(bar) == DIED.text
    bar.show_notice(msgspec.structs.replace(refused, text="b.bin cannot be attached."))
    bar.leave_chat("lisbon")
    bar.enter_chat("tides")
    assert sentence(bar) == "a.bin cannot be attached."
    assert part(card(bar), QPushButton, "noticeMoreButton").text() == "1 more"
    bar.dismiss("told")
    bar.leave_chat("tides")
    bar.enter_chat("lisbon")
    assert sentence(bar) == "b.bin cannot be attached."
    bar.leave_chat("lisbon")
    bar.enter_chat("tides")
    assert sentence(bar) == DIED.text
    bar.withdraw("told")  # of the other chat
    bar.leave_chat("tides")
    bar.enter_chat("lisbon")
    assert sentence(bar) == DIED.text


def test_a_key_replaces_an_older_sentence(bar: NotificationBar) -> None:
    bar.show_notice(Notice(NoticeKind.WARNING, "Port 1 is taken", key="server"))
    bar.show_notice(Notice(NoticeKind.WARNING, "Port 2 is taken", key="server"))
    assert sentence(bar) == "Port 2 is taken"
    bar.dismiss("server")
    assert not bar.isVisible()


def test_details_open_and_can_be_selected(qtbot: QtBot, bar: NotificationBar) -> None:
    bar.show_notice(DIED)
    details = part(bar, QPlainTextEdit, "noticeDetails")
    assert not details.isVisible()
    QTest.mouseClick(part(card(bar), QPushButton, "noticeDetailsButton"), Qt.MouseButton.LeftButton)
    assert details.isVisible()
    details.selectAll()
    assert details.textCursor().selectedText().startswith("ggml_abort")
    assert details.isReadOnly()


@pytest.mark.parametrize(
    ("kind", "is_at_end"), [(NoticeKind.ERROR, True), (NoticeKind.WARNING, False)]
)
def test_details_of_an_error_open_at_their_end(
    qtbot: QtBot, bar: NotificationBar, kind: NoticeKind, is_at_end: bool
) -> None:
    """There a log and a traceback have the reason; a list of refused files is read from its top."""
    lines = [f"{number} {'a word ' * (number % 30)}" for number in range(60)]
    bar.show_notice(Notice(kind, "It failed.", "\n".join([*lines, "the reason"])))
    part(card(bar), QPushButton, "noticeDetailsButton").click()
    details = part(bar, QPlainTextEdit, "noticeDetails")
    qtbot.waitUntil(lambda: details.viewport().width() > 300)
    view = details.verticalScrollBar()
    assert view.maximum() > 0
    assert view.value() == (view.maximum() if is_at_end else 0)


def test_tidings_and_offers_go_by_themselves(qtbot: QtBot, window: QWidget, icons: Icons) -> None:
    bar = make_bar(window, icons, auto_hide_ms=10)
    bar.show_notice(DIED)
    with qtbot.waitSignal(bar.closed) as closed:
        bar.show_notice(UNDO)
    assert closed.args == [UNDO.identity]
    assert bar.shown == DIED
    with qtbot.waitSignal(bar.closed) as closed:
        bar.show_notice(Notice(NoticeKind.INFO, "1 chat imported.", "From there"))
    assert closed.args == ["1 chat imported."]
    with qtbot.assertNotEmitted(bar.closed, wait=60):
        bar.show_notice(Notice(NoticeKind.INFO, "A model went by itself.", stays=True))


def test_tidings_stay_while_their_details_are_read(
    qtbot: QtBot, window: QWidget, icons: Icons
) -> None:
    bar = make_bar(window, icons, auto_hide_ms=10)
    bar.show_notice(Notice(NoticeKind.INFO, "1 chat exported.", "/there/chat.md"))
    part(card(bar), QPushButton, "noticeDetailsButton").setChecked(True)
    with qtbot.assertNotEmitted(bar.closed, wait=60):
        pass


def test_a_last_chance_stays_longer(qtbot: QtBot, window: QWidget, icons: Icons) -> None:
    bar = make_bar(window, icons, auto_hide_ms=30)
    bar.show_notice(msgspec.structs.replace(UNDO, is_last_chance=True))
    with qtbot.assertNotEmitted(bar.closed, wait=90):
        pass
    with qtbot.waitSignal(bar.closed):
        pass


def test_an_offer_waits_for_a_focused_button(qtbot: QtBot, window: QWidget, icons: Icons) -> None:
    bar = make_bar(window, icons, auto_hide_ms=10)
    bar.show_notice(UNDO)
    button = next(b for b in card(bar).findChildren(QPushButton) if b.text() == "Undo")
    button.setFocus()
    with qtbot.assertNotEmitted(bar.closed, wait=60):
        pass
    with qtbot.waitSignal(bar.action_triggered) as triggered:
        QTest.keyClick(button, Qt.Key.Key_Space)
    assert triggered.args == ["undo:7"]


def test_escape_closes_from_within(qtbot: QtBot, bar: NotificationBar) -> None:
    bar.show_notice(DIED)
    part(card(bar), QToolButton, "noticeCloseButton").setFocus()
    with qtbot.waitSignal(bar.closed):
        QTest.keyClick(part(card(bar), QToolButton, "noticeCloseButton"), Qt.Key.Key_Escape)


def test_text_is_never_markup(bar: NotificationBar) -> None:
    hostile = "<img src='/dev/zero'><b>bold</b>"
    bar.show_notice(Notice(NoticeKind.ERROR, hostile, detail=hostile))
    label = part(card(bar), QLabel, "noticeText")
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert part(bar, QPlainTextEdit, "noticeDetails").toPlainText() == hostile


def test_a_flood_drops_the_oldest(bar: NotificationBar) -> None:
    closed: list[str] = []
    bar.closed.connect(closed.append)
    for number in range(25):
        bar.show_notice(Notice(NoticeKind.WARNING, f"Problem {number}"))
    assert closed == [f"Problem {number}" for number in range(5)]
    assert sentence(bar) == "Problem 24"
