"""The text of an attached file in its own window, put in bit by bit."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart
from minerva_desktop.ui.attachment_viewer import MAX_LINE, AttachmentViewer
from tests.ui.parts import part


def shown(qtbot: QtBot, window: QWidget, text: str) -> AttachmentViewer:
    viewer = AttachmentViewer(FilePart("a.txt", text, len(text)), window)
    field = part(viewer, QPlainTextEdit, "attachmentText")
    length = len(text.replace("\n", ""))
    qtbot.waitUntil(lambda: len(field.toPlainText().replace("\n", "")) == length)
    return viewer


@pytest.fixture
def window(qtbot: QtBot, dressed_app: object) -> QWidget:
    window = QWidget()
    qtbot.addWidget(window)
    return window


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n\ntwo\n", "one\n\ntwo\n"),
        ("a line\n" * 3_000 + "end", "a line\n" * 3_000 + "end"),
        ("x" * MAX_LINE + "\nend", "x" * MAX_LINE + "\nend"),
        ("x" * (2 * MAX_LINE + 5), "\n".join(("x" * MAX_LINE, "x" * MAX_LINE, "x" * 5))),
        ("é\n" + "y" * (MAX_LINE + 1) + "\nend", f"é\n{'y' * MAX_LINE}\ny\nend"),
    ],
)
def test_all_of_it_is_shown_and_long_lines_are_broken(
    qtbot: QtBot, window: QWidget, text: str, expected: str
) -> None:
    viewer = shown(qtbot, window, text)
    assert part(viewer, QPlainTextEdit, "attachmentText").toPlainText() == expected


@pytest.mark.parametrize(
    ("text", "words"), [("a\nb\n", "2 lines"), ("a\nb", "2 lines"), ("a\n", "1 line")]
)
def test_lines_are_counted_as_an_editor_does(
    qtbot: QtBot, window: QWidget, text: str, words: str
) -> None:
    labels = shown(qtbot, window, text).findChildren(QLabel)
    assert any(label.text().endswith(f"· {words}") for label in labels)
