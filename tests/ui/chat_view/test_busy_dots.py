"""An answer on its way has its dots beside all else that stands under it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.actions import BranchPlace
from minerva_desktop.ui.chat_view.branch_navigator import BranchNavigator
from minerva_desktop.ui.chat_view.busy_dots import BusyDots
from minerva_desktop.ui.chat_view.chat_view import ChatView
from tests.ui.chat_view.messages import question, streaming

READING = "Reading the prompt…"


@pytest.mark.parametrize("has_versions", [False, True])
def test_navigator_dots_and_status_stand_side_by_side(
    qtbot: QtBot, view: ChatView, has_versions: bool
) -> None:
    asked, given = question("Hi"), streaming()
    places = {given.id: BranchPlace(1, ("older", given.id))} if has_versions else {}
    view.set_messages([asked, given], place_of=places.get)
    view.set_status(given.id, READING)
    qtbot.waitUntil(lambda: not view.is_working())
    (status,) = [each for each in view.findChildren(QLabel) if each.text() == READING]
    row = [*view.findChildren(BranchNavigator), *view.findChildren(BusyDots), status]
    assert len(row) == 2 + has_versions
    assert all(each.isVisible() for each in row)
    places_of = [_place(each, view) for each in row]
    assert [place.left() for place in places_of] == sorted(place.left() for place in places_of)
    for at, place in enumerate(places_of):
        assert not any(place.intersects(other) for other in places_of[at + 1 :])


def _place(widget: QWidget, view: ChatView) -> QRect:
    return QRect(widget.mapTo(view, QPoint()), widget.size())
