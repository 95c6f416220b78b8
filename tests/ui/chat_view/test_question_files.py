"""Files that came with a question, above its text in the transcript."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart, ImagePart
from minerva_desktop.ui.attachment_chip import FileChip
from minerva_desktop.ui.attachment_viewer import AttachmentViewer
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.picture_chip import PictureChip
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.chat_view.messages import answer, question
from tests.ui.parts import colour_at, part

NOTES = FilePart("notes.md", "# Notes", 7)
CAT = ImagePart("cat.png", "0" * 64, 1_200, "image/png", 20, 10)


def test_files_stand_above_the_words_and_are_opened(qtbot: QtBot, view: ChatView) -> None:
    asked = msgspec.structs.replace(question("What is it?"), parts=(NOTES, CAT))
    view.set_messages([asked])
    qtbot.waitUntil(lambda: not view.is_working())
    (file,), (picture,) = view.findChildren(FileChip), view.findChildren(PictureChip)
    assert file.accessibleName() == "notes.md, 7 bytes, ≈ 12 tokens"
    assert picture.accessibleName() == "cat.png, 20 × 10, 1.2 kB"
    assert file.x() < picture.x()
    shown = view.message_view(asked.id)
    assert shown is not None
    assert max(file.geometry().bottom(), picture.geometry().bottom()) < shown.body.y()
    with qtbot.waitSignal(view.events.file_opened) as opened:
        QTest.mouseClick(file, Qt.MouseButton.LeftButton)
    assert opened.args == [NOTES]
    with qtbot.waitSignal(view.events.picture_opened) as opened:
        QTest.keyClick(picture, Qt.Key.Key_Space)
    assert opened.args == [CAT]


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)  # of popups
def test_the_menu_of_the_message_is_there_at_a_file_and_beside_the_text(
    qtbot: QtBot, view: ChatView
) -> None:
    asked, given = msgspec.structs.replace(question(""), parts=(NOTES, CAT)), answer("A cat.")
    view.set_messages([asked, given])
    qtbot.waitUntil(lambda: not view.is_working())
    (file,), (picture,) = view.findChildren(FileChip), view.findChildren(PictureChip)
    for at in (file, picture, view.message_view(asked.id), view.message_view(given.id)):
        assert at is not None
        place = at.rect().bottomRight() - QPoint(2, 2)
        mouse = QContextMenuEvent.Reason.Mouse
        QApplication.sendEvent(at, QContextMenuEvent(mouse, place, at.mapToGlobal(place)))
        (menu,) = [each for each in view.findChildren(QMenu) if each.isVisible()]
        entries = {each.text() for each in menu.actions()}
        assert {"Edit", "Delete this message"} <= entries
        assert ("Details" in entries) == (at is view.message_view(given.id))
        menu.close()


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [
        (20, 10, (44, 44)),  # as high as a file's card
        (200, 100, (200, 100)),
        (2_880, 960, (288, 96)),
        (100, 19_200, (44, 192)),
        (0, 0, (192, 192)),  # not known
    ],
)
def test_a_picture_has_its_size_before_it_is_read(
    qtbot: QtBot, view: ChatView, width: int, height: int, shown: tuple[int, int]
) -> None:
    image = msgspec.structs.replace(CAT, width=width, height=height)
    view.set_messages([msgspec.structs.replace(question("Well?"), parts=(image,))])
    (picture,) = view.findChildren(PictureChip)
    assert picture.size().toTuple() == shown
    red = QImage(10, 10, QImage.Format.Format_RGB32)
    red.fill(QColor("#ff0000"))
    view.events.picture_ready.emit("1" * 64, red)  # another's
    assert colour_at(picture, picture.rect().center()) != "#ff0000"
    view.events.picture_ready.emit(CAT.digest, red)
    assert colour_at(picture, picture.rect().center()) == "#ff0000"
    assert picture.size().toTuple() == shown


def test_a_file_is_enough_of_a_question_that_is_edited(qtbot: QtBot, view: ChatView) -> None:
    asked = msgspec.structs.replace(question(""), parts=(NOTES,))
    view.set_messages([asked])
    qtbot.waitUntil(lambda: not view.is_working())
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
    qtbot.waitUntil(lambda: not view.is_working())
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
