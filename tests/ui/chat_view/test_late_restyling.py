"""Another theme costs what is in sight: the rest of a long chat takes its colours by and by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.stylesheet import apply_theme
from minerva_desktop.ui.theme import DARK, LIGHT
from tests.ui.chat_view.messages import answer, ended


class Dressed(QObject):
    """Counts how often each widget is told of another style."""

    def __init__(self) -> None:
        super().__init__()
        self.times: Counter[QObject | None] = Counter()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.StyleChange:
            self.times[watched] += 1
        return False


@pytest.fixture
def dressed(dressed_app: QApplication) -> Iterator[Dressed]:
    """Watches all widgets; the light theme is put on again afterwards."""
    dressed = Dressed()
    dressed_app.installEventFilter(dressed)
    yield dressed
    dressed_app.removeEventFilter(dressed)
    apply_theme(dressed_app, LIGHT)


def label_colour(view: MessageView) -> QColor:
    label = view.findChildren(QLabel)[0]
    return label.palette().color(label.foregroundRole())


def with_parts(view: MessageView) -> list[QWidget]:
    return [view, *view.findChildren(QWidget)]


def test_each_widget_in_sight_is_dressed_once_and_the_others_later(
    qtbot: QtBot, dressed_app: QApplication, view: ChatView, dressed: Dressed
) -> None:
    first, *_, last = shown = [ended(answer(""), f"Answer {n}") for n in range(20)]
    view.set_messages(shown)
    qtbot.waitUntil(lambda: not view.is_working())
    seen, unseen = view.message_view(last.id), view.message_view(first.id)
    assert seen is not None
    assert unseen is not None
    assert label_colour(unseen) == QColor(LIGHT.muted)
    dressed.times.clear()
    apply_theme(dressed_app, DARK, view.messages.set_aside(view.in_sight))
    view.apply_theme(DARK)
    assert {dressed.times[each] for each in with_parts(seen)} == {1}
    assert {dressed.times[each] for each in (view, view.viewport(), seen.parentWidget())} == {1}
    assert {dressed.times[each] for each in with_parts(unseen)} == {0}
    assert label_colour(seen) == QColor(DARK.muted)
    assert label_colour(unseen) == QColor(LIGHT.muted)
    qtbot.waitUntil(lambda: not view.is_working())
    assert {dressed.times[each] for each in with_parts(unseen)} == {1}
    assert label_colour(unseen) == QColor(DARK.muted)


def test_a_view_that_goes_before_its_turn_is_forgotten(
    qtbot: QtBot, dressed_app: QApplication, view: ChatView, dressed: Dressed
) -> None:
    shown = [ended(answer(""), f"Answer {n}") for n in range(20)]
    view.set_messages(shown)
    qtbot.waitUntil(lambda: not view.is_working())
    apply_theme(dressed_app, DARK, view.messages.set_aside(view.in_sight))
    view.apply_theme(DARK)
    view.set_messages(shown[:1])
    qtbot.waitUntil(lambda: not view.is_working())
    assert not view.messages.set_aside(view.in_sight)
    only = view.message_view(shown[0].id)
    assert only is not None
    assert label_colour(only) == QColor(DARK.muted)
