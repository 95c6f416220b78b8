"""A long message takes the colours of another theme where it is seen, and the rest by and by."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PySide6.QtGui import QRegion, QTextBlock, QTextCursor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.changes_view import ChangesView
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.code_sheet import CodeSheet
from minerva_desktop.ui.chat_view.formula_object import OBJECT
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.preloading import import_typesetting
from minerva_desktop.ui.chat_view.recolouring import Recolouring
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.rows import Kind
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import DARK, LIGHT, ThemeSource
from tests.ui.chat_view.markdown_pieces import FRAGMENTS, rendered
from tests.ui.chat_view.messages import answer, question
from tests.ui.chat_view.test_document_writer import (
    TABLE,
    assert_equal,
    formats,
    make_writer,
    written,
)

EVERYTHING = (
    f"# Head\n\n1. > *one* `two`\n\n{TABLE}\n```py\nx = 1  # why\n```\n\n---\n\n"
    "[a](http://b.c)\n\n$x^2$"
)


@settings(max_examples=60, deadline=None)
@given(fragments=st.lists(FRAGMENTS, max_size=25))
@example(fragments=[EVERYTHING])
def test_it_looks_as_if_it_was_written_in_them(qapp: QApplication, fragments: list[str]) -> None:
    rows = rendered("".join(fragments))
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rows))
    recolouring = Recolouring(document, writer, QRegion)
    assert recolouring.begin(formats(qapp, DARK))
    while recolouring.has_work:
        recolouring.work(0.0)  # a row
    expected, dark = make_writer(qapp)
    dark.restyle(formats(qapp, DARK))
    dark.apply(Update(0, rows))
    assert_equal(document, expected)


def test_text_that_comes_or_goes_meanwhile_has_them_too(qapp: QApplication) -> None:
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered("one\n\ntwo\n\nthree\n\nfour")))
    recolouring = Recolouring(document, writer, QRegion)
    recolouring.begin(formats(qapp, DARK))
    recolouring.work(0.0)
    writer.apply(Update(1, rendered("dos\n\ntres")))
    while recolouring.has_work:
        recolouring.work(0.0)
    cursor = QTextCursor(document)
    colours = []
    while cursor.movePosition(QTextCursor.MoveOperation.NextWord):
        colours.append(cursor.charFormat().foreground().color().name())
    assert document.toPlainText() == "one\ndos\ntres"
    assert set(colours) == {DARK.text}


def test_another_size_is_not_for_it(qapp: QApplication) -> None:
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rendered("text")))
    assert not Recolouring(document, writer, QRegion).begin(formats(qapp, DARK, 150))
    assert_equal(document, written(qapp, rendered("text")))


@settings(max_examples=60, deadline=None)
@given(fragments=st.lists(FRAGMENTS, max_size=25), percent=st.sampled_from([80, 150, 200]))
@example(fragments=[EVERYTHING], percent=150)
@example(fragments=["```py\nx = 1\n```\n\nend"], percent=200)
def test_in_another_size_it_looks_as_if_it_was_written_so(
    qapp: QApplication, fragments: list[str], percent: int
) -> None:
    rows = [row for row in rendered("".join(fragments)) if row.kind is not Kind.TABLE]
    document, writer = make_writer(qapp)
    writer.apply(Update(0, rows))
    resizing = Recolouring(document, writer, QRegion)
    larger, before = formats(qapp, percent=percent), writer.formats.measures
    assert not resizing.begin(larger)
    writer.use_size(larger)
    resizing.resize(before)
    while resizing.has_work:
        resizing.work(0.0)  # a row
    document.setDefaultFont(larger.font)  # which nothing has
    assert_equal(document, written(qapp, rows, percent=percent))


def _shown(qtbot: QtBot, view: ChatView, message: Message) -> RichTextView:
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    shown = view.message_view(message.id)
    assert shown is not None
    return shown.body


def _colour(block: QTextBlock) -> str:
    """That of its first words; empty where there are none."""
    first = block.begin()
    return "" if first.atEnd() else first.fragment().charFormat().foreground().color().name()


@pytest.mark.parametrize(
    "message", [question("A line.\n" * 600), answer("A *line*.\n\n" * 600 + EVERYTHING)]
)
def test_what_is_seen_comes_first_and_nothing_moves(
    qtbot: QtBot, view: ChatView, themes: ThemeSource, message: Message
) -> None:
    import_typesetting()
    themes.changed.connect(view.apply_theme)
    body = _shown(qtbot, view, message)
    document = body.document()
    has_formula = "$" in message.text
    qtbot.waitUntil(lambda: (OBJECT in document.toPlainText()) == has_formula)
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    place, height = bar.value(), body.height()
    body.select(0, 6)
    middle = body.cursorForPosition(body.visibleRegion().boundingRect().center()).block()
    ends = [document.firstBlock(), document.lastBlock().previous().previous()]
    ends += [document.lastBlock()] if has_formula else []
    themes.set_choice(ThemeChoice.DARK)
    assert _colour(middle) == DARK.text
    assert DARK.text not in map(_colour, ends)
    qtbot.waitUntil(lambda: not view.is_working())
    assert {_colour(each) for each in ends} <= {DARK.text, ""}
    assert (bar.value(), body.height()) == (place, height)
    assert body.textCursor().selectedText() == "A line"


def test_so_does_what_is_new_in_an_update(qtbot: QtBot, icons: Icons, themes: ThemeSource) -> None:
    view = ChangesView(icons)
    qtbot.addWidget(view)
    view.resize(400, 200)
    view.show()
    view.show_markdown("A *line*.\n\n" * 100)
    qtbot.waitUntil(lambda: not view.is_working)
    (body,) = view.findChildren(RichTextView)
    last = body.document().lastBlock()
    themes.set_choice(ThemeChoice.DARK)
    assert _colour(body.document().firstBlock()) == DARK.text
    qtbot.waitUntil(lambda: _colour(last) == DARK.text)


def test_what_comes_into_sight_does_not_wait_for_the_rest_of_a_long_message(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    themes.changed.connect(view.apply_theme)
    paragraph = "A *line* `of` **many** " * 20  # of which a slice gives some their colours
    first, long = question("Above"), answer(f"{paragraph}\n\n" * 300)
    view.set_messages([first, long])
    qtbot.waitUntil(lambda: not view.is_working())
    above, below = view.message_view(first.id), view.message_view(long.id)
    assert above is not None
    assert below is not None
    document = below.body.document()
    first_blocks = [above.body.document().firstBlock(), document.firstBlock()]
    far = document.findBlockByNumber(document.blockCount() // 2)
    themes.set_choice(ThemeChoice.DARK)
    assert _colour(first_blocks[1]) == LIGHT.text
    view.verticalScrollBar().setValue(0)
    for _ in range(2):  # one step for each, at most: what is quick may be done already
        view.messages.work(0.0, view.in_sight)
    assert [_colour(each) for each in first_blocks] == [DARK.text] * 2
    assert _colour(far) == LIGHT.text


def test_so_does_code_that_does_not_wrap(qtbot: QtBot, view: ChatView, themes: ThemeSource) -> None:
    themes.changed.connect(view.apply_theme)
    body = _shown(qtbot, view, answer("```\n" + "a line\n" * 600 + "```"))
    body.findChildren(CodeBar)[0].wrap.click()
    (sheet,) = body.findChildren(CodeSheet)
    qtbot.waitUntil(lambda: not view.is_working())
    caret = sheet.textCursor()
    caret.setPosition(6, QTextCursor.MoveMode.KeepAnchor)
    sheet.setTextCursor(caret)
    document = sheet.document()
    themes.set_choice(ThemeChoice.DARK)
    assert _colour(document.lastBlock()) == DARK.text
    assert _colour(document.firstBlock()) == LIGHT.text
    qtbot.waitUntil(lambda: not view.is_working())
    blocks = map(document.findBlockByNumber, range(document.blockCount()))
    assert set(map(_colour, blocks)) == {DARK.text}
    assert sheet.textCursor().selectedText() == "a line"
