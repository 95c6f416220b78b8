"""A link is opened when a person activates it, and asked about when it may deceive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, QPoint, Qt, QUrl, Slot
from PySide6.QtGui import QContextMenuEvent, QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox, QToolTip
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.link_targets import doubt_about, host_of
from tests.ui.chat_view.messages import answer

NEAR = 32  # px, between a link and what is said about it


class Opener(QObject):
    """Takes the place of the desktop."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toString())


@pytest.fixture
def opener() -> Iterator[Opener]:
    made = Opener()
    for scheme in ("http", "https", "mailto"):
        # The stubs ask for bytes, PySide takes text only.
        QDesktopServices.setUrlHandler(scheme, made, "open")  # type: ignore[arg-type]
    yield made
    for scheme in ("http", "https", "mailto"):
        QDesktopServices.unsetUrlHandler(scheme)


@pytest.mark.parametrize(
    ("text", "target", "doubt"),
    [
        ("the docs", "https://docs.example/x", ""),
        ("https://docs.example/y", "https://docs.example/x", ""),
        ("www.docs.example", "https://docs.example/x", ""),
        ("docs.com", "https://www.docs.com/", ""),
        ("Node.js or 3.14", "https://nodejs.org", ""),
        ("me@bank.com", "mailto:me@bank.com", ""),
        ("https://bank.com/login", "https://evil.example", "says bank.com, but it leads to evil.e"),
        ("bank.com", "https://bank.com.evil.example", "leads to bank.com.evil.example"),
        ("bank.com", "mailto:me@evil.example", "leads to evil.example"),
        ("write", "mailto:me@bank.com?Subject=a&body=b;c&cc=d", ""),
        ("write", "mailto:me@bank.com?subject=a&%61ttach=/etc/passwd", "and to whom: attach."),
        ("login", "https://bank.com@evil.example", "before the @"),
        ("login", "https://xn--bnk-6cd.com", "look like others: xn--bnk-6cd.com"),
        ("login", "https://b\u0430nk.com", "look like others: xn--"),
    ],
)
def test_what_is_doubtful(text: str, target: str, doubt: str) -> None:
    found = doubt_about(text, target)
    assert (doubt in found) if doubt else not found


@pytest.mark.parametrize("address", ["https://[::1", "https://", "mailto:", "https://" + "a" * 500])
def test_a_broken_address_has_no_host_and_does_no_harm(address: str) -> None:
    assert host_of(address) in {"", "a" * 500}
    assert doubt_about("https://bank.com", address)


def questions() -> list[QMessageBox]:
    return [
        widget
        for widget in QApplication.topLevelWidgets()
        if isinstance(widget, QMessageBox) and widget.isVisible()
    ]


def click(qtbot: QtBot, view: ChatView, source: str, url: str) -> None:
    message = answer(source)
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    found = view.message_view(message.id)
    assert found is not None
    found.body.anchorClicked.emit(QUrl(url))


def test_an_honest_link_opens_at_once(qtbot: QtBot, view: ChatView, opener: Opener) -> None:
    click(qtbot, view, "[the docs](https://docs.example/x)", "https://docs.example/x")
    assert opener.opened == ["https://docs.example/x"]
    assert not questions()


@pytest.mark.parametrize(
    ("answer_", "opened", "copied"),
    [("Open", ["https://evil.example/%3Cb%3E"], "old"), ("Copy address", [], "https://evil")],
)
def test_a_doubtful_one_asks_first(
    qtbot: QtBot, view: ChatView, opener: Opener, answer_: str, opened: list[str], copied: str
) -> None:
    QApplication.clipboard().setText("old")
    target = "https://evil.example/%3Cb%3E"
    click(qtbot, view, f"[https://bank.com]({target})", target)
    (question,) = questions()
    assert not opener.opened
    assert "says bank.com, but it leads to evil.example" in question.informativeText()
    assert target in question.informativeText()
    assert question.defaultButton() is question.escapeButton()
    next(button for button in question.buttons() if button.text() == answer_).click()
    assert opener.opened == opened
    assert QApplication.clipboard().text().startswith(copied)
    assert not questions()


def test_what_nothing_opens_is_said(qtbot: QtBot, view: ChatView) -> None:
    """As on the offscreen platform, where there is no browser."""
    click(qtbot, view, "[the docs](https://docs.example/x)", "https://docs.example/x")
    (told,) = questions()
    assert told.text() == "The link was not opened"
    assert told.informativeText().endswith("\n\nhttps://docs.example/x")
    buttons = {button.text(): button for button in told.buttons()}
    assert buttons.keys() == {"Copy address", "Close"}
    buttons["Copy address"].click()
    assert QApplication.clipboard().text() == "https://docs.example/x"


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)  # of popups
def test_the_target_is_shown_at_the_link_that_the_keyboard_is_at(
    qtbot: QtBot, view: ChatView
) -> None:
    message = answer("One.\n\n" * 5 + "[the docs](https://docs.example/x)")
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    found = view.message_view(message.id)
    assert found is not None
    body = found.body
    body.setFocus()
    QTest.keyClick(body, Qt.Key.Key_Tab)
    link = body.textCursor()
    assert link.selectedText() == "the docs"
    link.setPosition(link.selectionStart())
    below = body.viewport().mapToGlobal(body.cursorRect(link).bottomLeft())
    (tip,) = (
        each
        for each in QApplication.topLevelWidgets()
        if each.metaObject().className() == "QTipLabel" and each.isVisible()
    )
    assert abs(tip.x() - below.x()) <= NEAR
    assert abs(tip.y() - below.y()) <= NEAR
    QToolTip.hideText()
    key = QContextMenuEvent.Reason.Keyboard
    QApplication.sendEvent(
        body.viewport(), QContextMenuEvent(key, QPoint(), body.mapToGlobal(QPoint()))
    )
    (menu,) = [each for each in view.findChildren(QMenu) if each.isVisible()]
    next(each for each in menu.actions() if each.text() == "Copy link address").trigger()
    menu.close()
    assert QApplication.clipboard().text() == "https://docs.example/x"
