"""Pins, folders, archive, trash, tags and copies, as a person uses them in the sidebar; on a real
store."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import Folder
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.tag_editor import TagEditor
from tests.chat.samples import make_conversation
from tests.ui.list_desk import ListDesk
from tests.ui.parts import part

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def desk(
    qtbot: QtBot, dressed_app: QApplication, icons: Icons, tmp_path: Path
) -> Iterator[ListDesk]:
    """Three chats: Sea, Cat and Bread, Sea the newest; all of long ago."""
    chats = [
        make_conversation("Hello", "Hi", title=title, updated_at=3000.0 - number)
        for number, title in enumerate(("Sea", "Cat", "Bread"))
    ]
    with closing(ListDesk(qtbot, dressed_app, icons, tmp_path, chats)) as desk:
        yield desk


def test_pinned_chats_stand_first(desk: ListDesk) -> None:
    desk.choose("Bread", "Pin")
    desk.until(lambda: desk.rows == ["Pinned", "Bread", "Older", "Sea", "Cat"])
    assert desk.summary("Bread").is_pinned
    assert desk.spoken("Bread") == "Bread, pinned"
    desk.choose("Bread", "Unpin")
    desk.until(lambda: desk.rows == ["Older", "Sea", "Cat", "Bread"])


def test_the_list_stays_where_it_was_scrolled_to(desk: ListDesk) -> None:
    desk.add([make_conversation("Hi", title=f"Old {n}", updated_at=2000.0 - n) for n in range(60)])
    desk.window.sidebar.set_current(desk.on_disk()["Sea"])
    desk.choose("Sea", "Pin")
    desk.until(lambda: "Old 59" in desk.rows)
    bar = desk.view.verticalScrollBar()
    desk.until(lambda: bar.maximum() > 1000)  # Qt lays rows out later
    bar.setValue(bar.maximum())
    scrolled = bar.value()
    desk.window.sidebar.chat_actions.pin.emit([desk.on_disk()["Old 59"]], True)
    desk.until(lambda: desk.rows[2] == "Old 59")
    assert bar.value() == scrolled
    assert desk.spoken("Sea") == "Sea, open, pinned"


def test_a_new_folder_is_named_in_place_and_takes_the_chats(desk: ListDesk) -> None:
    desk.click("Cat")
    desk.click("Bread", CONTROL)
    desk.choose("Bread", "Move to folder", "New folder…")
    desk.type_name("Home")
    desk.until(lambda: desk.rows == ["Folders", "Home", "Cat", "Bread", "Older", "Sea"])
    assert desk.spoken("Home") == "Home, folder, 2 chats, expanded"
    desk.until(lambda: desk.spoken("Cat") == "Cat, in the folder Home")

    desk.choose("Sea", "Move to folder", "Home")
    desk.until(lambda: desk.notice == "“Sea” moved to “Home”")
    assert desk.rows == ["Folders", "Home", "Sea", "Cat", "Bread"]
    desk.press("Undo")
    desk.until(lambda: desk.rows == ["Folders", "Home", "Cat", "Bread", "Older", "Sea"])

    desk.choose("Cat", "Move to folder", "Out of the folder")
    desk.until(lambda: desk.rows == ["Folders", "Home", "Bread", "Older", "Sea", "Cat"])


def _press_escape(desk: ListDesk) -> None:
    (editor,) = desk.view.viewport().findChildren(QLineEdit)
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    desk.until(lambda: not desk.view.viewport().findChildren(QLineEdit))


def test_esc_takes_a_folder_back_that_has_no_name_yet(desk: ListDesk) -> None:
    home = desk.run(desk.library.create_folder("Home"))
    desk.window.sidebar.chat_actions.move.emit([desk.on_disk()["Cat"]], home.id)
    desk.until(lambda: desk.rows == ["Folders", "Home", "Cat", "Older", "Sea", "Bread"])
    desk.choose("Cat", "Move to folder", "New folder…")
    desk.until(lambda: desk.view.is_editing)
    assert "New folder" in desk.rows
    _press_escape(desk)
    desk.until(lambda: desk.rows == ["Folders", "Home", "Cat", "Older", "Sea", "Bread"])
    desk.choose("Home", "Rename")
    desk.until(lambda: desk.view.is_editing)
    _press_escape(desk)
    desk.choose("Home", "Rename")  # and one that has its name stays
    desk.type_name("House")
    desk.until(lambda: desk.rows[:2] == ["Folders", "House"])


def test_a_new_folder_that_is_not_shown_for_its_name_stays(
    desk: ListDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = desk.library.create_folder

    async def and_look_elsewhere(name: str) -> Folder:
        folder = await create(name)
        desk.go_to("trashButton")
        return folder

    monkeypatch.setattr(desk.library, "create_folder", and_look_elsewhere)
    desk.window.sidebar.chat_actions.move_to_new.emit([])
    desk.until(lambda: bool(desk.run(desk.library.folders())) and desk.rows == [])
    desk.go_to("trashButton")
    desk.until(lambda: "New folder" in desk.rows)
    desk.choose("New folder", "Rename")
    desk.until(lambda: desk.view.is_editing)
    _press_escape(desk)
    desk.choose("New folder", "Rename")
    desk.type_name("Attic")
    desk.until(lambda: desk.rows[:2] == ["Folders", "Attic"])


def test_a_closed_folder_is_remembered(desk: ListDesk) -> None:
    folder = desk.run(desk.library.create_folder("Home"))
    desk.choose("Sea", "Move to folder", "New folder…")
    desk.type_name("Attic")
    desk.until(lambda: desk.rows == ["Folders", "Attic", "Sea", "Home", "Older", "Cat", "Bread"])
    desk.click("Attic")
    desk.until(lambda: desk.rows == ["Folders", "Attic", "Home", "Older", "Cat", "Bread"])
    (closed,) = desk.settings.current.closed_folders
    assert closed != folder.id
    assert desk.spoken("Attic") == "Attic, folder, 1 chat, collapsed"
    desk.click("Attic")
    desk.until(lambda: "Sea" in desk.rows)
    assert desk.settings.current.closed_folders == ()


def test_chats_of_a_deleted_folder_stay_and_undo_brings_it_back(desk: ListDesk) -> None:
    folder = desk.run(desk.library.create_folder("Home"))
    desk.window.sidebar.chat_actions.move.emit([desk.on_disk()["Cat"]], folder.id)
    desk.until(lambda: desk.rows == ["Folders", "Home", "Cat", "Older", "Sea", "Bread"])
    desk.choose("Home", "Delete folder, keep its chats")
    desk.until(lambda: desk.rows == ["Older", "Sea", "Cat", "Bread"])
    desk.until(lambda: desk.notice == "Folder “Home” deleted; its chat stays")
    desk.press("Undo")
    desk.until(lambda: desk.rows == ["Folders", "Home", "Cat", "Older", "Sea", "Bread"])


def test_a_name_that_is_taken_is_said_and_not_kept(desk: ListDesk) -> None:
    for name in ("Home", "Work"):
        desk.run(desk.library.create_folder(name))
    desk.window.sidebar.chat_actions.pin.emit([desk.on_disk()["Sea"]], True)
    desk.until(lambda: "Work" in desk.rows)
    desk.window.sidebar.edit_name(desk.run(desk.library.folders())[1].id)
    desk.type_name("home")
    words = "There is a folder “Home” already, so this one keeps its name"
    desk.until(lambda: desk.notice == words)
    desk.until(lambda: desk.rows[2:5] == ["Folders", "Home", "Work"])
    desk.choose("Work", "Rename")
    desk.type_name("Attic")
    desk.until(lambda: desk.rows[2:5] == ["Folders", "Attic", "Home"])
    assert desk.window.notifications.shown is None
    assert desk.errors == []


def test_the_archive_keeps_chats_out_of_the_way(desk: ListDesk) -> None:
    desk.shown.conversation_id = desk.on_disk()["Sea"]
    desk.choose("Sea", "Archive")
    desk.until(lambda: desk.notice == "“Sea” archived")
    assert desk.rows == ["Older", "Cat", "Bread"]
    assert desk.shown.opened == [None]  # it was on display
    desk.go_to("archiveButton")
    desk.until(lambda: desk.rows == ["Older", "Sea"])
    desk.click("Sea")
    desk.until(lambda: desk.shown.conversation_id is not None)

    desk.choose("Sea", "Move back to the chats")
    desk.until(lambda: desk.rows == [])
    QTest.keyClick(desk.view, Qt.Key.Key_Escape)
    desk.until(lambda: desk.rows == ["Older", "Sea", "Cat", "Bread"])


def test_several_are_deleted_and_come_back(desk: ListDesk) -> None:
    desk.view.setFocus()
    desk.click("Sea")
    shown = desk.on_disk()["Sea"]
    QTest.keyClick(desk.view, Qt.Key.Key_A, CONTROL)
    QTest.keyClick(desk.view, Qt.Key.Key_Delete)
    desk.until(lambda: desk.notice == "3 chats deleted")
    assert desk.rows == []
    assert desk.shown.opened == [shown, None]
    desk.press("Undo")
    desk.until(lambda: desk.rows == ["Older", "Sea", "Cat", "Bread"])
    assert desk.shown.opened == [shown, None, shown]


def test_what_is_in_the_trash_is_restored_or_destroyed(desk: ListDesk) -> None:
    for title in ("Sea", "Cat", "Bread"):
        desk.choose(title, "Delete")
        desk.until(functools.partial(desk.lacks, title))
    desk.go_to("trashButton")
    desk.until(lambda: desk.rows == ["Bread", "Cat", "Sea"])
    assert desk.spoken("Sea") == "Sea, 30 days left"

    desk.choose("Sea", "Restore")
    desk.until(lambda: desk.notice == "“Sea” restored")
    assert (desk.rows, list(desk.on_disk())) == (["Bread", "Cat"], ["Sea"])

    desk.choose("Cat", "Delete for good…")
    assert desk.notice == "Delete “Cat” for good? That cannot be undone."
    desk.press("Keep")
    assert "Cat" in desk.on_disk(in_trash=True)
    QTest.keyClick(desk.view, Qt.Key.Key_Delete)
    desk.press("Delete for good")
    desk.until(lambda: desk.rows == ["Bread"])
    assert list(desk.on_disk(in_trash=True)) == ["Bread"]

    desk.go_to("emptyTrashButton")
    assert desk.notice == "Delete the chat in the trash for good? That cannot be undone."
    desk.press("Delete for good")
    desk.until(lambda: desk.rows == [])
    assert not part(desk.window.sidebar, QPushButton, "emptyTrashButton").isEnabled()
    assert list(desk.on_disk()) == ["Sea"]
    # Nothing is left to undo, and so it is not offered.
    bar = desk.window.notifications
    desk.until(lambda: not bar.undo_last())
    while bar.shown is not None:
        assert bar.shown.text != "Chat deleted"
        bar.dismiss(bar.shown.identity)


def test_several_that_are_deleted_can_come_back_until_the_last_is_gone(desk: ListDesk) -> None:
    ids = desk.on_disk()
    desk.window.sidebar.chat_actions.delete.emit([ids["Sea"], ids["Cat"]])
    desk.until(lambda: desk.notice == "2 chats deleted")
    desk.window.sidebar.chat_actions.restore.emit([ids["Sea"]])
    desk.until(lambda: desk.notice.endswith(" restored"))
    bar = desk.window.notifications
    bar.dismiss(bar.shown.identity if bar.shown is not None else "")
    assert desk.notice == "2 chats deleted"
    desk.press("Undo")
    desk.until(lambda: {"Sea", "Cat"} <= set(desk.on_disk()))


def test_a_chat_in_the_trash_is_opened_only_with_its_restoring(desk: ListDesk) -> None:
    chat_id = desk.on_disk()["Cat"]
    desk.choose("Cat", "Delete")
    desk.until(lambda: "Cat" not in desk.rows)
    desk.go_to("trashButton")
    desk.until(lambda: desk.rows == ["Cat"])
    desk.click("Cat")
    assert desk.notice == "“Cat” is in the trash. Restore it to open it."
    assert desk.shown.opened == []
    desk.press("Restore and open")
    desk.until(lambda: desk.shown.opened == [chat_id])
    assert desk.rows == ["Older", "Sea", "Cat", "Bread"]


def test_a_new_chat_leads_back_to_the_chats(desk: ListDesk) -> None:
    desk.go_to("trashButton")
    desk.until(lambda: desk.rows == [])
    desk.go_to("newChatButton")
    desk.until(lambda: desk.rows == ["Older", "Sea", "Cat", "Bread"])


def test_a_copy_has_all_that_the_chat_has(desk: ListDesk) -> None:
    desk.choose("Sea", "Duplicate")
    desk.until(lambda: desk.shown.opened != [])
    copy_id = desk.on_disk()["Sea (copy)"]
    assert desk.shown.opened == [copy_id]
    copy = desk.run(desk.library.open_session(copy_id)).conversation
    assert [message.text for message in copy.active_branch()] == ["Hello", "Hi"]
    assert desk.rows[:2] == ["Today", "Sea (copy)"]


def _tag_editor(desk: ListDesk) -> TagEditor:
    desk.until(lambda: bool(desk.window.findChildren(TagEditor)))
    return part(desk.window, TagEditor, "tagEditor")


def test_several_chats_get_a_tag_and_lose_it(desk: ListDesk) -> None:
    desk.run(desk.library.set_tags(desk.on_disk()["Cat"], ["Pets", "Old"]))
    desk.run(desk.library.set_tags(desk.on_disk()["Bread"], ["Old"]))
    desk.window.sidebar.chat_actions.pin.emit([], True)  # lists them anew
    desk.until(lambda: "tagged Pets, Old" in desk.spoken("Cat"))
    desk.click("Cat")
    desk.click("Bread", CONTROL)
    desk.choose("Bread", "Tags of 2 chats…")
    editor = _tag_editor(desk)
    assert [each.text() for each in editor.findChildren(QPushButton)] == ["Old"]  # both have it
    field = part(editor, QLineEdit, "tagEdit")
    QTest.keyClicks(field, "pets")
    QTest.keyClick(field, Qt.Key.Key_Return)
    desk.until(lambda: "tagged Old, " in desk.spoken("Bread"))
    (old,) = (each for each in editor.findChildren(QPushButton) if each.text() == "Old")
    QTest.mouseClick(old, Qt.MouseButton.LeftButton)
    desk.until(lambda: "Old" not in desk.spoken("Bread") + desk.spoken("Cat"))
    assert desk.summary("Cat").tags == ("Pets",)
    assert len(desk.summary("Bread").tags) == 1
    editor.close()


def test_a_long_tag_is_told_and_cut_with_a_sign(desk: ListDesk) -> None:
    desk.choose("Sea", "Tags…")
    editor = _tag_editor(desk)
    field = part(editor, QLineEdit, "tagEdit")
    QTest.keyClicks(field, "w" * 41)
    hints = [label.text() for label in editor.findChildren(QLabel) if label.isVisible()]
    assert hints == ["A tag has at most 40 characters"]
    QTest.keyClick(field, Qt.Key.Key_Return)
    (button,) = editor.findChildren(QPushButton)
    assert button.text().endswith("…")
    assert button.sizeHint().width() <= editor.width()
    assert "w" * 40 in button.toolTip()
    editor.close()


def test_tags_are_added_and_taken_away(desk: ListDesk) -> None:
    desk.run(desk.library.set_tags(desk.on_disk()["Cat"], ["Pets"]))
    desk.choose("Sea", "Tags…")
    desk.until(lambda: bool(desk.window.findChildren(TagEditor)))
    editor = part(desk.window, TagEditor, "tagEditor")
    field = part(editor, QLineEdit, "tagEdit")
    for typed in ("pe", "  sea  water ", "PETS"):  # the first is completed, the last there already
        QTest.keyClicks(field, typed)
        QTest.keyClick(field, Qt.Key.Key_Return)
    desk.until(lambda: desk.summary("Sea").tags == ("Pets", "sea water"))
    desk.until(lambda: desk.spoken("Sea") == "Sea, tagged Pets, sea water")
    first = editor.findChildren(QPushButton, "tagButton")[0]
    assert first.accessibleName() == "Remove the tag Pets"
    first.click()
    desk.until(lambda: desk.summary("Sea").tags == ("sea water",))
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert not editor.isVisible()


def test_the_menu_at_the_foot_makes_folders_and_leads_to_files(
    desk: ListDesk, qtbot: QtBot
) -> None:
    button = part(desk.window, QToolButton, "listMenuButton")

    def choose(text: str) -> None:
        button.setAttribute(Qt.WidgetAttribute.WA_UnderMouse)  # as Qt does where the pointer comes
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        (action,) = [each for each in menu.actions() if each.text() == text]
        action.trigger()
        menu.close()
        assert not button.underMouse()  # or it would stay highlighted

    actions = desk.window.sidebar.chat_actions
    with qtbot.waitSignal(actions.import_chats):
        choose("Import chats…")
    with qtbot.waitSignal(actions.export) as exported:
        choose("Export all chats…")
    assert exported.args == [[]]
    desk.go_to("trashButton")
    desk.until(lambda: desk.rows == [])
    choose("New folder")
    desk.type_name("Attic")
    desk.until(lambda: desk.rows[:2] == ["Folders", "Attic"])
    choose("New folder")
    desk.until(lambda: "New folder" in desk.rows)


def test_a_temporary_chat_is_one_press_away(desk: ListDesk, qtbot: QtBot) -> None:
    button = part(desk.window, QToolButton, "newTemporaryChatButton")
    assert button.accessibleName() == "New temporary chat, of which nothing is kept"
    with qtbot.waitSignal(desk.window.new_temporary_chat):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    keys = [shortcut.key().toString() for shortcut in desk.window.findChildren(QShortcut)]
    assert keys.count("Ctrl+Shift+N") == 1
