"""Files on their way from the window's edge to the model and back, in the whole window."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.attachments import FileReading
from minerva_desktop.chat.parts import FilePart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.attachment_chip import AttachmentChip, FileChip
from minerva_desktop.ui.attachment_strip import AttachmentStrip
from minerva_desktop.ui.attachment_viewer import AttachmentViewer
from minerva_desktop.ui.message_edit import MessageEdit
from tests.app.pdf_files import write_pdf
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import on_disk, open_chat

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

OpenApp = Callable[..., OpenWindow]


@pytest.fixture
def open_app(qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog) -> OpenApp:
    """Starts the app; its model has a small context, and gives answers of four tokens."""
    paths = app_paths()
    paths.create()
    sampling = SamplingParameters(max_tokens=4, seed=1)
    SettingsFile(paths.settings).save(Settings(n_ctx=512, sampling=sampling))
    return functools.partial(OpenWindow, qtbot, dressed_app, small_catalog)


def files(opened: OpenWindow) -> tuple[FilePart, ...]:
    return opened.window.composer.files


def names(opened: OpenWindow) -> list[str]:
    return [file.name for file in files(opened)]


def test_files_are_dropped_sent_and_read_again(open_app: OpenApp, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("print('hippo')\n", encoding="utf-8")
    write_pdf(tmp_path / "paper.pdf", "Of rivers")
    with closing(open_app()) as opened:
        opened.drop(tmp_path / "code.py", tmp_path / "paper.pdf", tmp_path / "gone.txt")
        opened.until("files", lambda: names(opened) == ["code.py", "paper.pdf"])
        opened.until("reason", lambda: "“gone.txt” cannot be attached" in opened.notice)
        opened.send("What is it?")
        opened.until("end", lambda: not opened.is_answering)
        assert names(opened) == []
        # The model is loaded now, and counts.
        opened.drop(tmp_path / "code.py")
        opened.until("tokens", lambda: bool(files(opened)) and files(opened)[0].n_tokens > 3)
        chip, _ = opened.window.chat_view.findChildren(FileChip)
        assert chip.accessibleName() == "code.py, 15 bytes, ≈ 14 tokens"
        chip.setFocus()
        QTest.keyClick(chip, Qt.Key.Key_Return)
        viewer = opened.part(AttachmentViewer, "attachmentViewer")
        assert "15 bytes · ≈ 14 tokens · 1 line" in [
            label.text() for label in viewer.findChildren(QLabel)
        ]
        text = part(viewer, QPlainTextEdit, "attachmentText")
        opened.until("text", lambda: text.toPlainText() == "print('hippo')\n")
        viewer.save_wanted.emit(files(opened)[0], tmp_path / "saved.txt")
        opened.until("saved file", (tmp_path / "saved.txt").exists)
        viewer.close()
        opened.until("notice", lambda: opened.notice == "code.py saved as saved.txt.")
        opened.window.composer.attachments.remove(opened.window.composer.attachments.items[0].id)
        assert opened.notice == "code.py removed"
        buttons = opened.window.notifications.findChildren(QPushButton)
        (undo,) = [button for button in buttons if button.isVisible() and button.text() == "Undo"]
        QTest.mouseClick(undo, Qt.MouseButton.LeftButton)
        opened.until("file", lambda: names(opened) == ["code.py"])
    with closing(open_app()) as opened:
        chat_view = opened.window.chat_view
        opened.until("chips", lambda: len(chat_view.findChildren(FileChip)) == 2)


def test_drafts_keep_their_files_over_a_restart(open_app: OpenApp, tmp_path: Path) -> None:
    for name in ("new.txt", "old.txt", "secret.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    with closing(open_app()) as opened:
        opened.drop(tmp_path / "new.txt")
        opened.until("file", lambda: names(opened) == ["new.txt"])
        # Also where the app is killed: it does not wait for the end.
        opened.until("file on disk", opened.paths.new_chat_files.exists)
    with closing(open_app()) as opened:
        opened.until("file", lambda: names(opened) == ["new.txt"])
        opened.send("Hello")
        opened.until("end", lambda: not opened.is_answering)
        opened.until("no file", lambda: not opened.paths.new_chat_files.exists())
        opened.drop(tmp_path / "old.txt")
        opened.until("file", lambda: names(opened) == ["old.txt"])
        opened.window.new_temporary_chat.emit()
        assert names(opened) == []
        opened.drop(tmp_path / "secret.txt")
        opened.until("file", lambda: names(opened) == ["secret.txt"])
        opened.open_chat("Hello")
        opened.until("file", lambda: names(opened) == ["old.txt"])
        opened.window.new_temporary_chat.emit()
        opened.drop(tmp_path / "secret.txt")
        opened.until("file", lambda: names(opened) == ["secret.txt"])
    assert not any(b"secret.txt" in path.read_bytes() for path in opened_files())
    with closing(open_app()) as opened:
        opened.open_chat("Hello")
        opened.until("file", lambda: names(opened) == ["old.txt"])


def opened_files() -> list[Path]:
    data = app_paths().data
    return [path for path in data.rglob("*") if path.is_file()]


def test_what_does_not_fit_is_said_before_it_is_sent(open_app: OpenApp, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("river " * 700, encoding="utf-8")
    with closing(open_app()) as opened:
        opened.send("Hi")
        opened.until("end", lambda: not opened.is_answering)
        opened.drop(tmp_path / "long.txt")
        hint = opened.part(QLabel, "composerHint")
        opened.until("hint", hint.isVisible)
        assert hint.text().endswith("The context of small has 512.")
        assert "/ 512 tokens" in opened.context
        opened.press(Qt.Key.Key_Return)
        opened.until(
            "refusal", lambda: "The message was not sent: with it the chat takes" in opened.notice
        )
        assert names(opened) == ["long.txt"]
        opened.window.composer.attachments.remove(opened.window.composer.attachments.items[0].id)
        assert not hint.isVisible()


def test_a_long_paste_becomes_a_file_and_can_be_put_inline(open_app: OpenApp) -> None:
    text = "line of text\n" * 120
    with closing(open_app()) as opened:
        mime = QMimeData()
        mime.setText(text)
        QGuiApplication.clipboard().setMimeData(mime)
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClicks(editor, "See: ")
        editor.paste()
        assert (names(opened), editor.toPlainText()) == (["Pasted text"], "See: ")
        assert opened.notice == "1,560 characters were pasted as a file."
        buttons = opened.window.notifications.findChildren(QPushButton)
        (inline,) = [button for button in buttons if button.text() == "Put into the message"]
        QTest.mouseClick(inline, Qt.MouseButton.LeftButton)
        opened.until("text", lambda: editor.toPlainText() == "See: " + text)
        assert names(opened) == []
        for _ in range(2):
            QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert (names(opened), editor.toPlainText()) == (["Pasted text"], "See: ")
        editor.paste()
        QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert (names(opened), editor.toPlainText()) == (["Pasted text"], "See: ")
        buttons = opened.window.notifications.findChildren(QPushButton)
        (inline,) = [each for each in buttons if each.text() == "Put into the message"]
        inline.click()
        opened.until("text", lambda: editor.toPlainText() == "See: " + text)  # it is offered still
        QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert (names(opened), editor.toPlainText()) == (["Pasted text"], "See: ")
        QGuiApplication.clipboard().setText("four" * 1_250_000)
        editor.paste()
        assert opened.notice == (
            "“Pasted text 2” cannot be attached: it has 5.0 MB, and at most 4.2 MB are read."
        )
        assert (names(opened), editor.toPlainText()) == (["Pasted text"], "See: ")
        QGuiApplication.clipboard().setText("four" * 60_000)
        both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        QTest.keyClick(editor, Qt.Key.Key_V, both)
        assert opened.notice == (
            "240,000 characters were pasted as a file. The message itself takes 200,000 at once."
        )
        QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert (names(opened), opened.notice) == (["Pasted text"], "")  # it goes with the file
        QTest.keyClick(editor, Qt.Key.Key_V, both)
        QGuiApplication.clipboard().setText(text)
        editor.paste()
        assert opened.notice == "1,560 characters were pasted as a file."
        assert names(opened) == ["Pasted text", "Pasted text 2", "Pasted text 3"]


def test_a_double_click_opens_a_file_once(open_app: OpenApp, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    with closing(open_app()) as opened:
        opened.drop(tmp_path / "a.txt", tmp_path / "b.txt")
        opened.until("files", lambda: names(opened) == ["a.txt", "b.txt"])
        first, second = opened.window.composer.attachments.findChildren(AttachmentChip)
        for chip in (first, first, second):
            QTest.mouseClick(chip, Qt.MouseButton.LeftButton)
        viewers = opened.window.findChildren(AttachmentViewer)
        assert [each.windowTitle() for each in viewers] == ["a.txt", "b.txt"]
        viewers[0].close()
        QTest.mouseClick(first, Qt.MouseButton.LeftButton)
        shown = [each for each in opened.window.findChildren(AttachmentViewer) if each.isVisible()]
        assert sorted(each.windowTitle() for each in shown) == ["a.txt", "b.txt"]


def test_what_is_still_read_ends_with_the_chat_and_with_the_app(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[FileReading] = []
    cancel = FileReading.cancel

    def watched(reading: FileReading) -> None:
        cancelled.append(reading)
        cancel(reading)

    monkeypatch.setattr(FileReading, "cancel", watched)
    path = write_pdf(tmp_path / "long.pdf", *(f"Page {number}" for number in range(1_900)))
    with closing(open_app()) as opened:
        strip = opened.window.composer.attachments
        opened.drop(path)
        opened.until("page", lambda: "of 1,900" in "".join(i.progress for i in strip.items))
        opened.window.new_temporary_chat.emit()
        assert strip.items == ()
        assert opened.notice == "A file was not attached: the chat was left before it was read."
        opened.drop(path)
        opened.until("page", lambda: "of 1,900" in "".join(i.progress for i in strip.items))
    assert len(cancelled) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_what_cannot_be_attached_leaves_the_message_alone(
    open_app: OpenApp, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    with closing(open_app()) as opened:
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Look")
        opened.drop(tmp_path / "pipe", tmp_path / "cat.png")
        opened.until("sentence", lambda: opened.notice == "2 of 2 files cannot be attached.")
        opened.window.composer.image_pasted.emit()
        assert opened.notice == (
            "small cannot read images, so the image in the clipboard was not attached."
        )
        assert (opened.window.composer.text, names(opened)) == ("Look", [])
        opened.send("!")
        opened.until("answer", lambda: not opened.is_answering)
        opened.drop(tmp_path / "cat.png")
        opened.until("reason", lambda: "cannot be attached" in opened.notice)
        reason = opened.notice
        opened.window.sidebar.new_chat.emit()
        assert opened.notice == ""
        opened.open_chat("Look!")
        opened.until("it again", lambda: opened.notice == reason)


def test_earlier_messages_come_back_with_alt_up(open_app: OpenApp) -> None:
    alt = Qt.KeyboardModifier.AltModifier
    # Imported: a field shows its space as an ordinary one.
    on_disk(make_conversation("One", "1", "Deux\xa0!", "2", title="Numbers"))
    with closing(open_app()) as opened:
        open_chat(opened, "Numbers", "2")
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClicks(editor, "Th")
        seen = []
        for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Down):
            QTest.keyClick(editor, key, alt)
            seen.append(editor.toPlainText())
        assert seen == ["Deux !", "One", "One", "Deux !", "Th"]


def test_files_the_app_is_started_with_go_with_the_message(
    open_app: OpenApp, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("A note.", encoding="utf-8")
    (tmp_path / "data.json").write_text('{"a": 1}', encoding="utf-8")
    write_pdf(tmp_path / "paper.pdf", "Of rivers")
    started_with = [tmp_path / name for name in ("note.txt", "data.json", "paper.pdf")]
    with closing(open_app(files=started_with)) as opened:
        opened.until("files", lambda: names(opened) == ["note.txt", "data.json", "paper.pdf"])
        assert opened.notice == ""
        (tmp_path / "more.txt").write_text("More.", encoding="utf-8")
        opened.hand_over(tmp_path / "more.txt", tmp_path / "gone.gguf")
        opened.until("file", lambda: names(opened)[3:] == ["more.txt"])
        opened.until("reason", lambda: "gone.gguf" in opened.notice)


def _is_new_one_read(strip: AttachmentStrip, known: set[str]) -> bool:
    """Whether a file that is not among the ``known`` ones is there as a whole."""
    return any(item.part is not None for item in strip.items if item.id not in known)


def test_what_was_offered_for_a_message_goes_with_it(open_app: OpenApp, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("A note.", encoding="utf-8")
    with closing(open_app()) as opened:
        opened.drop(tmp_path / "note.txt", tmp_path / "gone.txt")
        opened.until("reason", lambda: "“gone.txt” cannot be attached" in opened.notice)
        strip = opened.window.composer.attachments
        ways: tuple[Callable[[], object], ...] = (
            functools.partial(opened.send, "Hello"),
            opened.window.new_temporary_chat.emit,
        )
        for leave in ways:
            known = {item.id for item in strip.items}
            (tmp_path / "more.txt").write_text("More.", encoding="utf-8")
            opened.drop(tmp_path / "more.txt")
            opened.until("file", functools.partial(_is_new_one_read, strip, known))
            strip.remove(strip.items[-1].id)
            assert opened.notice == "more.txt removed"
            leave()
            opened.until("no notice", lambda: opened.notice == "")
