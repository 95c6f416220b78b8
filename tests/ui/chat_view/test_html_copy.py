"""What is copied comes as HTML too, in which tables, lists and emphasis are what they were."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QMimeData, Qt, QTimer
from PySide6.QtGui import QClipboard, QGuiApplication, QMouseEvent, QTextDocument
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view import rich_data
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_text import FOLD_ABOVE
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.row_html import html_of
from minerva_desktop.ui.chat_view.sideways_text import SidewaysText
from tests.ui.chat_view.markdown_pieces import rendered
from tests.ui.chat_view.messages import answer, question
from tests.ui.chat_view.test_markdown_copy import BOTH, RICH, select
from tests.ui.chat_view.test_selection import Selecting

CTRL = Qt.KeyboardModifier.ControlModifier
TABLE = (
    '<table><tr><th>a</th><th style="text-align:right">b</th></tr>'
    '<tr><td><strong>1</strong></td><td style="text-align:right">2</td></tr></table>'
)
NAME = "<p><strong>tiny-model:</strong></p>"
HEAD = '<meta charset="utf-8">'


@pytest.fixture
def person(qtbot: QtBot, view: ChatView) -> Selecting:
    view.activateWindow()
    return Selecting(qtbot, view)


def copied() -> QMimeData:
    return QGuiApplication.clipboard().mimeData()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("some *words*", "some <em>words</em>"),
        ("# A ~~b~~\n\nc", "<h1>A <s>b</s></h1><p>c</p>"),
        ("- a\n- b\n  - c\n\n  d\n- e", "<ul><li>a</li><li>b<ul><li>c</li></ul><p>d</p></li>"),
        ("7. a\n8. b\n\n- c", '<ol start="7"><li>a</li><li>b</li></ol><ul><li>c</li></ul>'),
        ("> a\n> - b\n\nc", "<blockquote><p>a</p><ul><li>b</li></ul></blockquote><p>c</p>"),
        (
            "- > a\n- > b\n- c",
            "<ul><li><blockquote>a</blockquote></li><li><blockquote>b</blockquote></li>",
        ),
        ("- [x] a\n- [ ] b", "<ul><li>☑ a</li><li>☐ b</li></ul>"),
        (
            "|a|b|\n|-|-:|\n|**1**|2|",
            TABLE,
        ),
        ("```py\nif a < b:\n    c()\n```", "<pre><code>if a &lt; b:\n    c()</code></pre>"),
        ("a\\\nb\n\n---", "<p>a<br>b</p><hr>"),
    ],
)
def test_rows_as_html(source: str, expected: str) -> None:
    assert html_of(rendered(source)).startswith(expected)


def test_nothing_in_it_is_run_loaded_or_hidden() -> None:
    html = html_of(
        rendered(
            "<script>x</script> <img src=http://t/x.png> ![pic](http://t/x.png) "
            "[run](javascript:x) [file](file:///etc/passwd) a\u202eb\n\n[^1]\n\n[^1]: n"
        )
    )
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;x&lt;/script&gt; &lt;img" in html
    assert '<a href="http://t/x.png">[Image: pic]</a>' in html
    assert html.count("href=") == html.count('href="http://t/x.png"') == 2
    assert "a[U+202E]b" in html


def test_a_selection_and_a_whole_message_are_copied_as_both(person: Selecting) -> None:
    message = answer(RICH)
    (body,) = person.show(message)
    select(body, "one", "inner one")
    person.press(Qt.Key.Key_C, CTRL)
    assert copied().text() == "one\n2. two\n  ◦ inner one"
    assert copied().html() == (
        f"{HEAD}<ol><li>one</li><li>two<ul><li>inner <em>one</em></li></ul></li></ol>"
    )
    person.press(Qt.Key.Key_C, BOTH)
    assert not copied().hasHtml()  # Markdown was asked for
    body.clear_selection()
    person.press(Qt.Key.Key_C, CTRL)
    assert copied().text() == RICH
    page = QTextDocument()
    page.setHtml(copied().html())
    assert page.begin().text() == "Head line"
    assert page.begin().blockFormat().headingLevel() == 1
    assert len(page.rootFrame().childFrames()) == 1  # the table


def test_two_messages_have_their_authors(person: Selecting) -> None:
    person.show(question("a < b?"), answer("**No.**"))
    person.press(Qt.Key.Key_A, CTRL)
    person.press(Qt.Key.Key_C, CTRL)
    assert copied().html() == (
        f"{HEAD}<p><strong>You:</strong></p>a &lt; b?"
        "<p><strong>tiny-model:</strong></p><strong>No.</strong>"
    )


def test_what_is_folded_is_copied_as_text_alone(person: Selecting) -> None:
    """HTML of a part would be pasted in place of the whole text."""
    long = answer("some words\n\n" * (FOLD_ABOVE // 10))
    table = answer("|a|b|\n|-|-|\n" + "|c|d|\n" * 600)
    for message in (long, table):
        (body,) = person.show(message)
        body.copy_whole(message.text)
        assert copied().text() == message.text
        assert not copied().hasHtml()


def test_the_html_of_much_is_made_by_and_by(
    qtbot: QtBot, person: Selecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 70 kB at once it took 21 ms of the 35 that a copy held the window up for."""
    monkeypatch.setattr(rich_data, "SLICE_SECONDS", 0)
    messages = [answer(RICH), answer("*b*")]
    for shown, expected in (
        (messages[:1], html_of(rendered(RICH))),
        (messages, f"{NAME}{html_of(rendered(RICH))}{NAME}<em>b</em>"),
    ):
        bodies = person.show(*shown)
        if len(bodies) == 1:
            bodies[0].copy_whole(RICH)
        else:
            person.press(Qt.Key.Key_A, CTRL)
            person.press(Qt.Key.Key_C, CTRL)
        assert "code_1" in copied().text()
        assert not copied().hasHtml()
        person.show(answer("something else"))  # what was copied stays what it was
        qtbot.waitUntil(lambda: copied().hasHtml())
        assert "code_1" in copied().text()
        assert copied().html() == f"{HEAD}{expected}"


def test_what_was_copied_later_stays(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rich_data, "SLICE_SECONDS", 0)
    pieces = iter("abcdefghi")
    rich_data.copy_rich("first", pieces)
    assert copied().text() == "first"
    QGuiApplication.clipboard().setText("second")
    qtbot.waitUntil(lambda: not QGuiApplication.clipboard().children())
    assert not list(pieces)
    assert (copied().text(), copied().hasHtml()) == ("second", False)


def test_what_a_middle_click_pastes_is_made_by_and_by(
    person: Selecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qt asks for it at the release of the pointer: for 60 messages that took 13 to 22 ms. Here
    without X11, as if the system had a clipboard of what is selected."""
    monkeypatch.setattr("minerva_desktop.ui.chat_view.pointer_clipboard.SLICE_SECONDS", 0)
    offered: list[QMimeData] = []
    asked: list[QMimeData] = []
    monkeypatch.setattr(QClipboard, "supportsSelection", lambda _: True)
    monkeypatch.setattr(QClipboard, "setMimeData", lambda _, data, _mode: offered.append(data))
    bodies = person.show(answer(RICH), answer("*b*"))
    release = SidewaysText.mouseReleaseEvent

    def as_on_x11(body: RichTextView, event: QMouseEvent) -> None:
        release(body, event)
        asked.append(body.createMimeDataFromSelection())

    monkeypatch.setattr(SidewaysText, "mouseReleaseEvent", as_on_x11)
    person.drag((bodies[0], 0), (bodies[1], 1))
    assert [data.formats() for data in asked] == [[]]
    assert offered == []
    person.qtbot.waitUntil(lambda: len(offered) == 1)
    assert bodies[0].all_selected is not None
    whole = bodies[0].all_selected()
    assert (offered[0].text(), offered[0].html()) == (whole.text(), whole.html())
    assert offered[0].html() == f"{HEAD}{NAME}{html_of(rendered(RICH))}{NAME}<em>b</em>"
    person.drag((bodies[0], 0), (bodies[1], 1))
    person.view.set_messages([answer("something else")])  # its views are gone
    person.qtbot.waitUntil(lambda: not person.view.is_working())
    person.click(person.show(answer("no more"))[0], 1)
    person.qtbot.waitUntil(lambda: not _offers(person))
    assert len(offered) == 1


def _offers(person: Selecting) -> bool:
    selection = person.view.messages.selection
    assert selection is not None
    return any(timer.isActive() for timer in selection.findChildren(QTimer))
