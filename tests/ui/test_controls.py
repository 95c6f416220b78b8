"""The shared controls, and what holds for all widgets of the window."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.settings import Settings
from minerva_desktop.ui.composer import Composer
from minerva_desktop.ui.controls import (
    MENU_RADIUS,
    TIP_WIDTH,
    ElidedLabel,
    PopupMenu,
    Switch,
    plain_tip,
)
from minerva_desktop.ui.header import Header
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind, NotificationBar
from minerva_desktop.ui.parameters_panel import ParametersPanel
from minerva_desktop.ui.settings_action import make_settings_action
from minerva_desktop.ui.settings_dialog import SettingsDialog
from minerva_desktop.ui.sidebar import Sidebar
from minerva_desktop.ui.status_bar import ServerState, StatusBar
from minerva_desktop.ui.theme import LIGHT
from tests.ui.parts import colour_at


@pytest.fixture
def everything(qtbot: QtBot, icons: Icons) -> QWidget:
    """All widgets around the transcript in one window."""
    window = QWidget()
    qtbot.addWidget(window)
    sidebar, panel = Sidebar(icons), ParametersPanel(icons)
    header = Header(
        icons,
        [sidebar.toggle_action],
        [panel.toggle_action, make_settings_action(icons, window)],
    )
    notices, status = NotificationBar(icons), StatusBar(icons)
    dialog = SettingsDialog(icons, Settings(), "/data", 8, window)
    for widget in (sidebar, panel, header, notices, status, Composer(icons)):
        widget.setParent(window)
        widget.show()
    notices.show_notice(
        Notice(NoticeKind.ERROR, "Oh", detail="more", actions=(NoticeAction("Try", "try"),))
    )
    status.set_server(ServerState.ON, "http://127.0.0.1:8427/v1")
    header.show_progress(0.5)
    assert dialog.parent() is window
    window.show()
    return window


def test_every_control_has_a_name(everything: QWidget) -> None:
    unnamed = []
    for widget in everything.findChildren(QWidget):
        focusable = widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        inner = widget.objectName().startswith("qt_")  # parts of Qt's own composite widgets
        text = widget.text() if isinstance(widget, QAbstractButton | QLabel) else ""
        if focusable and not inner and not (widget.accessibleName() or text):
            unnamed.append((type(widget).__name__, widget.objectName()))
    assert unnamed == []


def test_tip_is_escaped_and_names_the_shortcut() -> None:
    tip = plain_tip("<img src='/dev/zero'> & more\nline", "Ctrl+N")
    assert "<img" not in tip
    assert "&amp; more<br>line (Ctrl+N)" in tip


def test_a_short_tip_is_text_that_screen_readers_can_say() -> None:
    assert plain_tip("Find\nagain", "F3") == "Find\nagain (F3)"
    assert plain_tip("word " * 40).startswith("<qt>")  # so that its line is broken


def test_a_tip_has_one_line_while_it_is_short_and_a_bounded_width(
    qtbot: QtBot, dressed_app: QApplication
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()

    def size_of(text: str) -> QSize:
        QToolTip.showText(QPoint(5, 5), plain_tip(text), window)
        tips = [each for each in dressed_app.topLevelWidgets() if each.inherits("QTipLabel")]
        (size,) = [tip.size() for tip in tips if tip.isVisible()]
        return size

    line = size_of("Find").height()
    address = size_of("https://example.com/a_b_c?x=1&y=2#frag")
    assert address.height() < 1.5 * line
    for long in ("word & " * 30, "https://example.com/a?" + "b&" * 90, "x" * 200):
        assert TIP_WIDTH <= size_of(long).width() < TIP_WIDTH + 80  # with what is around it


def test_switch_by_mouse_and_keyboard(qtbot: QtBot, icons: Icons) -> None:
    switch = Switch("Server", icons.themes)
    qtbot.addWidget(switch)
    switch.show()
    with qtbot.waitSignal(switch.clicked):
        QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
    assert switch.isChecked()
    assert colour_at(switch, QPoint(12, switch.height() // 2)) == LIGHT.accent
    with qtbot.waitSignal(switch.clicked):
        QTest.keyClick(switch, Qt.Key.Key_Space)
    assert not switch.isChecked()


def test_long_label_elides_and_tells_the_rest(qtbot: QtBot) -> None:
    sentence = "a sentence that is far too long for this little label"
    label = ElidedLabel(sentence)
    qtbot.addWidget(label)
    label.resize(label.sizeHint())
    assert label.text() == sentence
    assert label.toolTip() == ""
    label.resize(100, 20)
    label.show()
    QApplication.processEvents()
    assert label.text().endswith("…")
    assert "little label" in label.toolTip()
    assert label.textFormat() == Qt.TextFormat.PlainText


def test_of_numbers_as_many_are_shown_whole_as_fit(qtbot: QtBot) -> None:
    label = ElidedLabel("43 tokens/s · first token 9 ms · 5 tokens", separator=" · ")
    qtbot.addWidget(label)
    label.show()
    shown = ["43 tokens/s · first token 9 ms · 5 tokens", "43 tokens/s · first token 9 ms"]
    for text in (*shown, "43 tokens/s"):
        label.resize(label.fontMetrics().horizontalAdvance(text) + 1, 20)
        assert label.text() == text
        assert label.toolTip() == ("" if text == shown[0] else shown[0])
    label.resize(label.width() - 4, 20)
    assert label.text().endswith("…")


def test_a_popup_without_a_compositor_has_four_like_corners_and_no_gap(
    qtbot: QtBot, dressed_app: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QGuiApplication, "platformName", lambda: "xcb")
    owner = QWidget()
    qtbot.addWidget(owner)
    menu = PopupMenu(owner)
    menu.addAction("Load options…")
    menu.popup(owner.mapToGlobal(owner.rect().center()))
    mask, size = menu.mask(), menu.size()
    corner = [(x, y) for x in range(MENU_RADIUS) for y in range(MENU_RADIUS)]
    inside = [place for place in corner if mask.contains(QPoint(*place))]
    assert (0, 0) not in inside
    assert (MENU_RADIUS - 1, 0) in inside
    image = menu.grab().toImage()
    for x, y in corner:
        across, down = size.width() - 1 - x, size.height() - 1 - y
        for place in ((x, y), (across, y), (x, down), (across, down)):
            assert mask.contains(QPoint(*place)) is ((x, y) in inside)
            if (x, y) in inside:
                assert image.pixelColor(*place).alpha() == 255
    menu.close()
