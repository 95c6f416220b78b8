"""Files that came with a question, above its text in the transcript."""

from __future__ import annotations

from pathlib import Path

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart, ImagePart
from minerva_desktop.ui.attachment_chip import FileChip
from minerva_desktop.ui.attachment_viewer import AttachmentViewer
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.chat_view.messages import question
from tests.ui.parts import part

NOTES = FilePart("notes.md", "# Notes", 7)
CAT = ImagePart("cat.png", "0" * 64, 1_200, "image/png", 20, 10)


def test_files_stand_above_the_words_and_are_opened(qtbot: QtBot, view: ChatView) -> None:
    asked = msgspec.structs.replace(question("What is it?"), parts=(NOTES, CAT))
    view.set_messages([asked])
    qtbot.waitUntil(lambda: not view.is_working(), timeout=10_000)
    chips = sorted(view.findChildren(FileChip), key=lambda chip: chip.x())
    assert [chip.accessibleName() for chip in chips] == [
        "notes.md, 7 bytes, ≈ 2 tokens",
        "cat.png, 20 × 10, 1.2 kB",
    ]
    shown = view.message_view(asked.id)
    assert shown is not None
    assert all(chip.geometry().bottom() < shown.body.y() for chip in chips)
    with qtbot.waitSignal(view.events.file_opened) as opened:
        QTest.mouseClick(chips[0], Qt.MouseButton.LeftButton)
    assert opened.args == [NOTES]
    assert not chips[1].isEnabled()


def test_a_file_is_enough_of_a_question_that_is_edited(qtbot: QtBot, view: ChatView) -> None:
    asked = msgspec.structs.replace(question(""), parts=(NOTES,))
    view.set_messages([asked])
    qtbot.waitUntil(lambda: not view.is_working(), timeout=10_000)
    (chip,) = view.findChildren(FileChip)
    shown = view.message_view(asked.id)
    assert shown is not None
    assert shown.height() < chip.height() + 60  # no empty bubble
    view.edit_message(asked.id)
    field = part(view, MessageEdit, "messageEdit")
    assert chip.isVisible()
    with qtbot.waitSignal(view.events.edit_submitted) as sent:
        QTest.keyClick(field, Qt.Key.Key_Return)
    assert sent.args == [asked.id, ""]


def test_a_name_from_an_imported_chat_leads_nowhere(qtbot: QtBot, view: ChatView) -> None:
    hostile = FilePart("../../.bashrc\u202etxt.\n" + "x" * 1_000, "boo", 3)
    view.set_messages([msgspec.structs.replace(question("Well?"), parts=(hostile,))])
    qtbot.waitUntil(lambda: not view.is_working(), timeout=10_000)
    (chip,) = view.findChildren(FileChip)
    assert chip.accessibleName().startswith("../../.bashrctxt. xxx")
    assert len(chip.toolTip()) < 300
    viewer = AttachmentViewer(hostile, view)
    assert viewer.windowTitle().startswith("../../.bashrctxt. xxx")
    assert len(viewer.windowTitle()) == 120
    (save,) = [button for button in viewer.findChildren(QPushButton) if "Save" in button.text()]
    save.click()
    (dialog,) = viewer.findChildren(QFileDialog)
    (chosen,) = dialog.selectedFiles()
    assert Path(chosen).parent == Path.cwd()
    assert Path(chosen).name.startswith("-..-.bashrctxt. xxx")
