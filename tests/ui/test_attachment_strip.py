"""The files above the text field: added, taken out, undone, and what a long paste becomes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart
from minerva_desktop.ui.attachment_chip import AttachmentChip
from minerva_desktop.ui.composer import STILL_READING, Composer
from minerva_desktop.ui.drop_overlay import drop_words
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.message_edit import MAX_INLINE, MessageEdit
from tests.ui.parts import part

ONE = FilePart("one.txt", "1", 1_000, n_tokens=300)
TWO = FilePart("two.txt", "2" * 8, 8)
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def composer(qtbot: QtBot, icons: Icons) -> Composer:
    """Shown, in a window of 760 px."""
    composer = Composer(icons)
    qtbot.addWidget(composer)
    composer.set_window_height(760)
    composer.resize(800, 400)
    with qtbot.waitExposed(composer):
        composer.show()
    composer.focus_editor()
    return composer


def names(composer: Composer) -> list[str]:
    return [item.name for item in composer.attachments.items]


def chips(composer: Composer) -> list[AttachmentChip]:
    found = composer.findChildren(AttachmentChip)
    return sorted((chip for chip in found if chip.isVisible()), key=lambda chip: chip.x())


def paste(composer: Composer, mime: QMimeData) -> None:
    QGuiApplication.clipboard().setMimeData(mime)
    part(composer, MessageEdit, "composer").paste()


def test_a_chip_says_what_the_file_is(composer: Composer) -> None:
    composer.attachments.add(ONE)
    composer.attachments.add(TWO)
    assert [chip.accessibleName() for chip in chips(composer)] == [
        "one.txt, 1.0 kB, 300 tokens",
        "two.txt, 8 bytes, ≈ 12 tokens",
    ]
    composer.attachments.set_tokens(composer.attachments.items[1].id, 1)
    assert chips(composer)[1].facts == "8 bytes · 1 token"
    assert composer.files[1].n_tokens == 1


def test_a_file_alone_can_be_sent(qtbot: QtBot, composer: Composer) -> None:
    send = part(composer, QToolButton, "sendButton")
    assert not send.isEnabled()
    composer.attachments.add(ONE)
    assert send.isEnabled()
    with qtbot.waitSignal(composer.submitted) as sent:
        QTest.keyClick(part(composer, MessageEdit, "composer"), Qt.Key.Key_Return)
    assert sent.args == [""]
    assert composer.files == (ONE,)


def test_nothing_is_sent_while_a_file_is_read(qtbot: QtBot, composer: Composer) -> None:
    item_id = composer.attachments.begin("big.pdf")
    composer.set_text("What is it?")
    hint = part(composer, QLabel, "composerHint")
    with qtbot.assertNotEmitted(composer.submitted):
        QTest.keyClick(part(composer, MessageEdit, "composer"), Qt.Key.Key_Return)
    assert (hint.isVisible(), hint.text()) == (True, STILL_READING)
    composer.attachments.finish(item_id, ONE)
    assert not hint.isVisible()
    with qtbot.waitSignal(composer.submitted):
        QTest.keyClick(part(composer, MessageEdit, "composer"), Qt.Key.Key_Return)


def test_the_cross_and_the_keyboard_take_a_file_out(qtbot: QtBot, composer: Composer) -> None:
    composer.attachments.add(ONE)
    composer.attachments.add(TWO)
    first, second = chips(composer)
    with qtbot.waitSignal(composer.attachments.removed) as removed:
        cross = part(first, QToolButton, "removeAttachment")
        QTest.mouseClick(cross, Qt.MouseButton.LeftButton)
    assert removed.args[0].part == ONE
    second.setFocus()
    with qtbot.waitSignal(composer.attachments.opened):
        QTest.keyClick(second, Qt.Key.Key_Space)
    QTest.keyClick(second, Qt.Key.Key_Delete)
    assert names(composer) == []
    assert not composer.attachments.isVisible()


def test_one_that_is_being_read_is_given_up(qtbot: QtBot, composer: Composer) -> None:
    item_id = composer.attachments.begin("big.pdf")
    with qtbot.waitSignal(composer.attachments.cancelled) as cancelled:
        QTest.keyClick(chips(composer)[0], Qt.Key.Key_Delete)
    assert cancelled.args == [item_id]
    composer.attachments.finish(item_id, ONE)
    assert names(composer) == []


def test_undo_takes_the_last_thing_first(composer: Composer) -> None:
    editor = part(composer, MessageEdit, "composer")
    QTest.keyClicks(editor, "a")
    composer.attachments.add(ONE)
    composer.attachments.remove(composer.attachments.items[0].id)
    editor.insert_text(" b")
    seen = []
    for _ in range(4):
        QTest.keyClick(editor, Qt.Key.Key_Z, CTRL)
        seen.append((composer.text, names(composer)))
    assert seen == [("a", []), ("a", ["one.txt"]), ("a", []), ("", [])]
    for _ in range(2):
        QTest.keyClick(editor, Qt.Key.Key_Z, CTRL | SHIFT)
    assert (composer.text, names(composer)) == ("a", ["one.txt"])


def test_what_was_sent_comes_back_with_undo(composer: Composer) -> None:
    editor = part(composer, MessageEdit, "composer")
    editor.insert_text("Well?")
    composer.attachments.add(ONE)
    composer.clear()
    assert (composer.text, composer.files) == ("", ())
    QTest.keyClick(editor, Qt.Key.Key_Z, CTRL)
    QTest.keyClick(editor, Qt.Key.Key_Z, CTRL)
    assert (composer.text, composer.files) == ("Well?", (ONE,))
    composer.start_over("other", (TWO,))
    QTest.keyClick(editor, Qt.Key.Key_Z, CTRL)
    assert (composer.text, composer.files) == ("other", (TWO,))


def test_what_is_being_read_is_for_the_next_message(composer: Composer) -> None:
    composer.attachments.add(ONE)
    item_id = composer.attachments.begin(TWO.name)
    composer.clear()
    assert names(composer) == ["two.txt"]
    composer.attachments.finish(item_id, TWO)
    assert composer.files == (TWO,)


def test_a_long_paste_is_offered_as_a_file(qtbot: QtBot, composer: Composer) -> None:
    mime = QMimeData()
    for text in ("x " * 4_001, "x\n" * 100):
        mime.setText(text)
        with qtbot.waitSignal(composer.long_text_pasted) as pasted:
            paste(composer, mime)
        assert pasted.args == [text]
        assert composer.text == ""
        mime = QMimeData()
    mime.setText("x\n" * 99)
    paste(composer, mime)
    assert composer.text == "x\n" * 99


def test_ctrl_shift_v_pastes_into_the_text_what_that_can_hold(
    qtbot: QtBot, composer: Composer
) -> None:
    editor = part(composer, MessageEdit, "composer")
    QApplication.clipboard().setText("word " * 2_000)
    QTest.keyClick(editor, Qt.Key.Key_V, CTRL | SHIFT)
    assert composer.text == "word " * 2_000
    QApplication.clipboard().setText("word " * MAX_INLINE)
    with qtbot.waitSignal(composer.long_text_pasted) as pasted:
        QTest.keyClick(editor, Qt.Key.Key_V, CTRL | SHIFT)
    assert pasted.args == ["word " * MAX_INLINE]
    assert composer.text == "word " * 2_000


def test_files_and_images_of_the_clipboard(qtbot: QtBot, composer: Composer) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile("/tmp/a b.txt")])
    mime.setText("/tmp/a b.txt")
    with qtbot.waitSignal(composer.files_pasted) as pasted:
        paste(composer, mime)
    assert pasted.args == [[Path("/tmp/a b.txt")]]
    mime = QMimeData()
    mime.setImageData(QImage(2, 2, QImage.Format.Format_RGB32))
    with qtbot.waitSignal(composer.image_pasted):
        paste(composer, mime)
    assert composer.text == ""
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/")])
    mime.setText("https://example.org/")
    paste(composer, mime)
    assert composer.text == "https://example.org/"


def test_tab_goes_from_the_text_to_the_files(composer: Composer) -> None:
    composer.attachments.add(ONE)
    composer.attachments.add(TWO)
    reached = []
    for _ in range(6):
        focused = QApplication.focusWidget()
        assert focused is not None
        reached.append(focused.accessibleName().partition(",")[0])
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    assert reached == [
        "Message",
        "Attach files",
        "one.txt",
        "Remove one.txt",
        "two.txt",
        "Remove two.txt",
    ]


def test_many_files_leave_room_for_the_text(composer: Composer) -> None:
    one = composer.height()
    for _ in range(30):
        composer.attachments.add(ONE)
    composer.adjustSize()
    assert composer.attachments.height() <= 2 * 44 + 8
    assert composer.attachments.verticalScrollBar().maximum() > 0
    assert composer.sizeHint().height() <= 760 // 3 + one


def test_the_overlay_says_what_will_happen() -> None:
    assert drop_words([Path("a.GGUF")])[0] == "Drop to add the model"
    assert drop_words([Path("a.txt"), Path("b.pdf")])[0] == "Drop to attach the files"
    assert drop_words([Path("photos"), Path("b.pdf")])[0] == "Drop files, or a folder of chats"
    assert drop_words([Path("chats.zip")])[0] == "Drop to import chats"
    assert drop_words([Path("a.gguf"), Path("b.txt")])[0] == "Drop models, chats or files"
