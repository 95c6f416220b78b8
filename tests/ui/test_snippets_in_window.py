"""Snippets in the whole window: from the composer to the dialog and back."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import QDate, QLocale, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.app.preset_file import read_presets, write_presets
from minerva_desktop.chat.presets import PromptLibrary, Snippet
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.snippet_dialog import SnippetDialog
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

LEFT = Qt.MouseButton.LeftButton
OTHER = Snippet(name="other", text="x")


def test_a_snippet_from_its_making_to_its_use(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClicks(editor, "/")
        opened.press(Qt.Key.Key_Up)
        opened.press(Qt.Key.Key_Return)  # Manage snippets…
        dialog = opened.part(SnippetDialog, "snippetDialog")
        QTest.mouseClick(part(dialog, QPushButton, "newSnippet"), LEFT)
        QTest.keyClicks(part(dialog, QLineEdit, "snippetName"), "now")
        text = part(dialog, QPlainTextEdit, "snippetText")
        text.setPlainText("{{date}}: {{clipboard}} {{what}}")
        QTest.mouseClick(part(dialog, QPushButton, "closeSnippets"), LEFT)
        opened.until("end", lambda: not opened.window.findChildren(SnippetDialog))
        QGuiApplication.clipboard().setText("copied")
        QTest.keyClicks(editor, "/no")
        opened.press(Qt.Key.Key_Return)
        today = QLocale().toString(QDate.currentDate(), QLocale.FormatType.LongFormat)
        assert editor.toPlainText() == f"{today}: copied {{{{what}}}}"
        assert editor.textCursor().selectedText() == "{{what}}"
        opened.press(Qt.Key.Key_Return)
        assert "{{what}} is not filled in yet" in opened.part(QLabel, "composerHint").text()
        assert editor.toPlainText() == f"{today}: copied {{{{what}}}}"  # not sent


def test_snippets_are_passed_on_in_files(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    paths = app_paths()
    paths.create()
    shared = paths.data / "shared.json"
    write_presets(shared, PromptLibrary(snippets=(OTHER,)))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        settings = opened.open_settings()
        QTest.mouseClick(part(settings, QPushButton, "manageSnippets"), LEFT)
        dialog = opened.part(SnippetDialog, "snippetDialog")
        news = part(dialog, QLabel, "snippetNews")
        QTest.mouseClick(part(dialog, QPushButton, "importSnippets"), LEFT)
        part(dialog, QFileDialog, "QFileDialog").filesSelected.emit([str(shared)])
        opened.until("news", lambda: news.text() == "1 snippet was added.")
        assert part(dialog, QListWidget, "snippetNames").item(0).text() == "other"
        part(dialog, QFileDialog, "QFileDialog").close()
        opened.until("end of the dialog", lambda: not dialog.findChildren(QFileDialog))
        QTest.mouseClick(part(dialog, QPushButton, "exportSnippets"), LEFT)
        out = paths.data / "out.json"
        part(dialog, QFileDialog, "QFileDialog").filesSelected.emit([str(out)])
        opened.until("news", lambda: news.text() == "Exported to out.json.")
        part(dialog, QFileDialog, "QFileDialog").close()
        dialog.accept()
        settings.reject()
        assert read_presets(out).snippets == (OTHER,)
