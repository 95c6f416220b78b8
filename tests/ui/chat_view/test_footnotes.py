"""Footnotes lead to their notes and back, in a text that is whole and in one that still comes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtWidgets import QToolTip
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.rows import Kind, Mark
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from tests.ui.chat_view.markdown_pieces import PARSER, cut, rendered, streamed
from tests.ui.chat_view.messages import answer, ended, streaming

TEXT = """\
The sea[^salt] is salty[^1], says `[^1]` and nobody[^2].

[^1]: Rivers **carry** it.

    And more.
[^salt]: See
    ```
    code
    ```
[^never]: Nobody asked.

After all[^1].
"""


def test_notes_stand_at_the_end_in_the_order_in_which_they_are_named() -> None:
    rows = rendered(TEXT)
    assert [row.text for row in rows] == [
        "The sea[1] is salty[2], says [^1] and nobody[^2].",
        "After all[2].",
        "",
        "1. See",
        "code",
        "↩",
        "2. Rivers carry it.",
        "And more. ↩",
        "3. Nobody asked. ↩",
    ]
    assert rows[2].kind is Kind.RULE
    reference = rows[0].runs[1]
    assert reference.link == "#note:salt"
    assert Mark.RAISED in reference.mark
    assert rows[5].runs[-1].link == "#text:salt"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_a_stream_with_footnotes_ends_as_one_rendering(size: int) -> None:
    assert streamed(cut(TEXT, size)) == rendered(TEXT)


def test_while_it_comes_notes_stand_where_they_were_written() -> None:
    stream = MarkdownStream(PARSER)
    stream.feed("Salty[^1] and [^b].\n\n[^1]: Rivers.\n\n[^b]: It is")
    rows = stream.update().rows
    assert [row.text for row in rows] == ["Salty[1] and [b].", "1. Rivers.", "b. It is"]
    assert [run.link for run in rows[0].runs if run.link] == ["#note:1", "#note:b"]


@pytest.mark.parametrize(
    "source", ["[^1]", "a[^x] b", "[^]", "[^ a]: b", "[^a](http://b.c)", "`[^1]`\n\n[^2] c"]
)
def test_without_a_note_it_is_text(source: str) -> None:
    assert not any(run.link.startswith("#") for row in rendered(source) for run in row.runs)
    assert streamed(list(source)) == rendered(source)


def test_nested_notes_do_no_harm() -> None:
    for source in ("[^a]: " * 500 + "x", "[^a]: [^a]\n" * 500, "[^a]" * 500 + "\n\n[^a]: x"):
        assert streamed(cut(source, 900)) == rendered(source)


def test_many_notes_are_written_in_slices(qtbot: QtBot, view: ChatView) -> None:
    """2,000 of them at once held the window up for 0.6 s at the end of the answer."""
    text = "".join(f"Word[^{n}]\n\n" for n in range(600)) + "[^0]: a *note*\n\n"
    text += "".join(f"[^{n}]: note {n}\n" for n in range(1, 600))
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, text)
    qtbot.waitUntil(lambda: not view.is_working())
    found = view.message_view(running.id)
    assert found is not None
    seen = found.plain_text().count("Word")
    view.finish_message(ended(running, text))
    assert view.is_working()
    assert found.plain_text().count("Word") == seen == 600  # nothing goes meanwhile
    assert Kind.RULE not in {row.kind for row in found.body.rows}
    lengths, height = [len(found.body.rows)], found.body.height()

    def is_done() -> bool:
        lengths.append(len(found.body.rows))
        return not view.is_working()

    qtbot.waitUntil(is_done)
    assert lengths == sorted(lengths)  # nothing goes then either
    assert found.body.height() > height
    assert found.body.rows == rendered(text)


def test_a_click_leads_to_the_note_and_back(qtbot: QtBot, view: ChatView) -> None:
    message = answer("Salty[^1].\n\n" + "word\n\n" * 80 + "[^1]: Rivers *carry* it.\n")
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    bar = view.verticalScrollBar()
    bar.setValue(0)
    found = view.message_view(message.id)
    assert found is not None
    body = found.body
    body.highlighted.emit(QUrl("#note:1"))
    assert QToolTip.text() == "1. Rivers carry it."
    body.highlighted.emit(QUrl())
    body.anchorClicked.emit(QUrl("#note:1"))
    assert bar.value() > bar.maximum() - view.height()
    assert body.textCursor().block().text() == "1.\tRivers carry it. ↩"
    body.anchorClicked.emit(QUrl("#text:1"))
    assert bar.value() < view.height()
    assert body.textCursor().block().text() == "Salty[1]."


def test_so_does_one_while_the_answer_comes(qtbot: QtBot, view: ChatView) -> None:
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, "Salty[^1].\n\n[^1]: Rivers.\n\n" + "word\n\n" * 200)
    qtbot.waitUntil(lambda: not view.is_working())
    found = view.message_view(running.id)
    assert found is not None
    found.body.anchorClicked.emit(QUrl("#note:1"))
    assert found.body.textCursor().block().text() == "1.\tRivers. ↩"
    assert view.verticalScrollBar().value() < view.height()
