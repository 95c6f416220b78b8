"""The size of the text that one reads and writes, by keys, by the wheel and in the settings."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import TEXT_SIZES, Settings
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.settings_dialog import SettingsDialog
from minerva_desktop.ui.stylesheet import apply_theme
from minerva_desktop.ui.text_size import TextSize
from minerva_desktop.ui.theme import DARK, LIGHT
from tests.ui.chat_view.messages import answer
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

# What the offscreen platform says about dialogs.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

CONTROL = Qt.KeyboardModifier.ControlModifier
KEYPAD = Qt.KeyboardModifier.KeypadModifier


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """Without its controllers, with a chat of some screens."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    window.chat_view.set_messages([answer("Some words. " * 600)])
    qtbot.waitUntil(lambda: not window.chat_view.is_working())
    return window


def percent(window: MainWindow) -> int:
    return window.icons.themes.text_size.percent


def turn(widget: QWidget, delta: int, modifiers: Qt.KeyboardModifier = CONTROL) -> None:
    """Turn the wheel over the middle of ``widget``, by so many units."""
    window = widget.window()
    place = widget.mapTo(window, widget.visibleRegion().boundingRect().center())
    QTest.wheelEvent(window.windowHandle(), QPointF(place), QPoint(0, delta), QPoint(), modifiers)


def test_steps_lead_from_any_size_to_the_next_and_end_where_there_is_none() -> None:
    size = TextSize(105)
    told: list[int] = []
    size.changed.connect(told.append)
    size.step(1)
    size.step(-1)
    size.step(-9)
    size.step(-1)
    size.step(20)
    size.step(1)
    size.reset()
    size.reset()
    assert told == [110, 100, TEXT_SIZES[0], TEXT_SIZES[-1], 100]


def test_keys_change_the_size_wherever_the_keyboard_is(window: MainWindow) -> None:
    editor = part(window, MessageEdit, "composer")
    (message,) = [window.chat_view.message_view(m.id) for m in window.chat_view.messages.messages]
    assert message is not None
    usual = (editor.fontInfo().pixelSize(), message.body.document().defaultFont().pixelSize())
    for focused in (editor, message.body, part(window, QWidget, "chatSearch")):
        focused.setFocus()
        assert QApplication.focusWidget() is focused
        QTest.keyClick(focused, Qt.Key.Key_Equal, CONTROL)
        QTest.keyClick(focused, Qt.Key.Key_Plus, CONTROL)
        QTest.keyClick(focused, Qt.Key.Key_Plus, CONTROL | KEYPAD)
        assert percent(window) == 150
        assert editor.fontInfo().pixelSize() == int(usual[0] * 1.5 + 0.5)
        assert message.body.document().defaultFont().pixelSize() == int(usual[1] * 1.5 + 0.5)
        QTest.keyClick(focused, Qt.Key.Key_Minus, CONTROL)
        assert percent(window) == 125
        QTest.keyClick(focused, Qt.Key.Key_0, CONTROL)
        assert percent(window) == 100
        assert editor.fontInfo().pixelSize() == usual[0]
        assert message.body.document().defaultFont().pixelSize() == usual[1]
    assert editor.toPlainText() == ""


def test_the_placeholder_is_as_large_as_what_is_typed_instead(window: MainWindow) -> None:
    editor = part(window, MessageEdit, "composer")
    for key in (Qt.Key.Key_Plus, Qt.Key.Key_Plus, Qt.Key.Key_0):
        assert editor.viewport().font().pixelSize() == editor.font().pixelSize()
        QTest.keyClick(editor, key, CONTROL)


def test_the_message_field_is_as_high_as_its_lines(window: MainWindow) -> None:
    editor = part(window, MessageEdit, "composer")
    window.composer.set_text("one\ntwo")
    before = editor.height()
    window.icons.themes.text_size.set_percent(200)
    assert editor.height() > 1.7 * before
    QApplication.processEvents()
    assert not editor.verticalScrollBar().isVisible()
    window.composer.set_text("line\n" * 30)
    assert editor.height() < window.height() / 3
    window.icons.themes.text_size.reset()
    window.composer.set_text("one\ntwo")
    assert editor.height() == before


def test_a_line_of_larger_text_has_as_many_letters_where_there_is_room(window: MainWindow) -> None:
    window.resize(2_000, 700)
    (message,) = window.chat_view.messages.messages
    shown = window.chat_view.message_view(message.id)
    assert shown is not None
    card = part(window, QWidget, "composerCard")

    def widths() -> tuple[int, int]:
        QApplication.processEvents()
        return shown.body.width(), card.width()

    def letters() -> int:
        return shown.body.document().firstBlock().layout().lineAt(0).textLength()

    assert widths() == (760, 800)
    usual = letters()
    window.icons.themes.text_size.set_percent(200)
    assert widths() == (1_520, 1_560)
    assert letters() == pytest.approx(usual, rel=0.1)
    window.resize(1_200, 700)
    assert widths()[0] < 1_000
    window.icons.themes.text_size.set_percent(80)
    assert widths() == (760, 800)


def test_another_theme_changes_nothing_of_it(window: MainWindow, dressed_app: QApplication) -> None:
    editor = part(window, MessageEdit, "composer")
    window.icons.themes.text_size.set_percent(200)
    before = (editor.fontInfo().pixelSize(), editor.height())
    try:
        apply_theme(dressed_app, DARK)
        assert (editor.fontInfo().pixelSize(), editor.height()) == before
        assert editor.viewport().font().pixelSize() == editor.font().pixelSize()
    finally:
        apply_theme(dressed_app, LIGHT)


@pytest.mark.parametrize("over", ["messageText", "composer"])
def test_the_wheel_changes_it_while_ctrl_is_held(window: MainWindow, over: str) -> None:
    target = part(window, QWidget, over)
    bar = window.chat_view.verticalScrollBar()
    before = bar.value()
    turn(target, 120)
    assert percent(window) == 110
    for _ in range(3):
        turn(target, 40)
    assert percent(window) == 125  # a touchpad tells of small parts of a step
    turn(target, -80)
    assert percent(window) == 125
    turn(target, -40)
    assert percent(window) == 110
    turn(target, -240)
    assert percent(window) == 90
    window.icons.themes.text_size.reset()
    assert bar.value() == before == bar.maximum()
    turn(window.chat_view.viewport(), 120, Qt.KeyboardModifier.NoModifier)
    assert percent(window) == 100
    assert bar.value() < before


def test_it_is_kept(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        usual = opened.part(MessageEdit, "composer").fontInfo().pixelSize()
        QTest.keyClick(opened.window, Qt.Key.Key_Equal, CONTROL)
        assert opened.settings.current.text_size == 110  # also where the app is killed
        dialog = opened.open_settings()
        assert part(dialog, QPushButton, "textSize110").isChecked()
        part(dialog, QPushButton, "textSize150").click()
        opened.accept(dialog)
        assert percent(opened.window) == 150
        assert opened.settings.current.text_size == 150
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        assert percent(opened.window) == 150
        grown = opened.part(MessageEdit, "composer").fontInfo().pixelSize()
        assert grown == int(usual * 1.5 + 0.5)


def test_one_that_is_out_of_range_costs_itself_alone(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    paths = app_paths()
    paths.create()
    paths.settings.write_text(json.dumps({"text_size": 1000, "n_ctx": 2048}))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("notice", lambda: "text_size is 1000" in opened.notice)
        assert percent(opened.window) == 100
        assert opened.settings.current.n_ctx == 2048


def test_a_size_between_the_steps_stays_until_another_is_chosen(qtbot: QtBot, icons: Icons) -> None:
    settings = Settings(text_size=105)
    dialog = SettingsDialog(icons, settings, "/home/ada/minerva", n_cores=16)
    qtbot.addWidget(dialog)
    assert dialog.applied_to(settings) == settings
    part(dialog, QPushButton, "textSize125").click()
    assert dialog.applied_to(settings).text_size == 125
