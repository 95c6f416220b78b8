"""What a person may do with chats and folders of the list: the requests, and the menus that make
them. Main thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal, SignalInstance, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from minerva_desktop.chat.conversation import ConversationSummary, Folder
from minerva_desktop.ui.chat_rows import FolderRow, Place
from minerva_desktop.ui.controls import PopupMenu
from minerva_desktop.ui.icons import IconRole, Icons

ABOUT_SHORTCUT = "F1"
LIST_SHORTCUT = "Ctrl+/"
MAX_FOLDER_NAME = 40  # characters of a folder's name in a menu


class ChatActions(QObject):
    """Requests, with the ids of chats (a list where it may be several) or of a folder. Nothing has
    happened yet when they are emitted."""

    rename = Signal(str, str)
    delete = Signal(list)
    pin = Signal(list, bool)
    archive = Signal(list, bool)
    move = Signal(list, str)  # to the folder of that id; empty: out of theirs
    move_to_new = Signal(list)  # to a folder that is yet to be made
    duplicate = Signal(str)
    edit_tags = Signal(list)
    export = Signal(list)  # an empty list: all chats
    import_chats = Signal()
    show_backups = Signal()
    show_shortcuts = Signal()
    show_about = Signal()
    restore = Signal(list)
    destroy = Signal(list)
    rename_folder = Signal(str, str)
    delete_folder = Signal(str)
    edit_name = Signal(str)  # of a chat or a folder, in place
    name_edited = Signal(str, bool)  # that is over; whether the name was not given up (Esc)


class ActionMenu(PopupMenu):
    """A menu whose entries emit a signal with its arguments."""

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self._requests: dict[QAction, tuple[SignalInstance, tuple[object, ...]]] = {}
        self.triggered.connect(self._emit)

    def add(
        self,
        icon: str,
        text: str,
        signal: SignalInstance,
        *arguments: object,
        shortcut: str = "",
        role: IconRole = "muted",
        menu: QMenu | None = None,
    ) -> QAction:
        """An entry, in ``menu`` (by default this one), that emits ``signal``. The shortcut is only
        named."""
        action = (menu or self).addAction(text.replace("&", "&&"))
        if icon:
            action.setIcon(self._icons.icon(icon, role))
        if shortcut:
            action.setShortcut(shortcut)
        self._requests[action] = signal, arguments
        return action

    @Slot(QAction)
    def _emit(self, action: QAction) -> None:
        if action in self._requests:
            signal, arguments = self._requests[action]
            signal.emit(*arguments)


def chat_menu(
    menu: ActionMenu,
    icons: Icons,
    actions: ChatActions,
    chats: Sequence[ConversationSummary],
    folders: Sequence[Folder],
    place: Place,
    *,
    is_in_list: bool = True,
) -> None:
    """Fill ``menu`` with what can be done with these chats of ``place``; ``is_in_list``: where a
    title can be edited in place."""
    ids = [chat.id for chat in chats]
    several = f" {len(ids)} chats" if len(ids) > 1 else ""
    if place is Place.TRASH:
        menu.add("restore", f"Restore{several}", actions.restore, ids)
        menu.addSeparator()
        menu.add("trash", f"Delete{several} for good…", actions.destroy, ids, shortcut="Del")
        return
    if not several and is_in_list:
        menu.add("edit", "Rename", actions.edit_name, ids[0], shortcut="F2")
    if place is Place.CHATS:
        pinned = all(chat.is_pinned for chat in chats)
        verb = "Unpin" if pinned else "Pin"
        menu.add("pin", f"{verb}{several}", actions.pin, ids, not pinned)
        _add_folders(menu, icons, actions, chats, folders)
    if is_in_list:
        menu.add("tag", f"Tags{' of' if several else ''}{several}…", actions.edit_tags, ids)
    if not several:
        menu.add("copy", "Duplicate", actions.duplicate, ids[0])
    menu.add("export", f"Export{several}…", actions.export, ids)
    menu.addSeparator()
    if place is Place.CHATS:
        menu.add("archive", f"Archive{several}", actions.archive, ids, True)
    else:
        menu.add("restore", f"Move{several} back to the chats", actions.archive, ids, False)
    menu.add("trash", f"Delete{several}", actions.delete, ids, shortcut="Del")


def list_menu(menu: ActionMenu, actions: ChatActions) -> None:
    """Fill ``menu`` with what is about all chats."""
    menu.add("folder", "New folder", actions.move_to_new, [])
    menu.addSeparator()
    menu.add("import", "Import chats…", actions.import_chats)
    menu.add("export", "Export all chats…", actions.export, [])
    menu.add("restore", "Backups…", actions.show_backups)
    menu.addSeparator()
    entry, opened = "Keyboard shortcuts…", actions.show_shortcuts
    menu.add("keyboard", entry, opened, shortcut=LIST_SHORTCUT)
    menu.add("info", "About Minerva…", actions.show_about, shortcut=ABOUT_SHORTCUT)


def folder_menu(menu: ActionMenu, actions: ChatActions, row: FolderRow) -> None:
    """Fill ``menu`` with what can be done with a folder."""
    menu.add("edit", "Rename", actions.edit_name, row.folder.id, shortcut="F2")
    menu.addSeparator()
    text = "Delete folder, keep its chats" if row.n_chats else "Delete folder"
    menu.add("trash", text, actions.delete_folder, row.folder.id, shortcut="Del")


def _add_folders(
    menu: ActionMenu,
    icons: Icons,
    actions: ChatActions,
    chats: Sequence[ConversationSummary],
    folders: Sequence[Folder],
) -> None:
    ids = [chat.id for chat in chats]
    inside = {chat.folder_id for chat in chats}
    target = PopupMenu(menu)
    target.setTitle("Move to folder")
    target.setIcon(icons.icon("folder", "muted"))
    for folder in folders:
        name = folder.name
        if len(name) > MAX_FOLDER_NAME:
            name = f"{name[: MAX_FOLDER_NAME - 1]}…"
        is_theirs = inside == {folder.id}
        icon = "check" if is_theirs else "folder"
        entry = menu.add(icon, name, actions.move, ids, folder.id, menu=target)
        entry.setEnabled(not is_theirs)
    if folders:
        target.addSeparator()
    menu.add("add", "New folder…", actions.move_to_new, ids, menu=target)
    if inside != {None}:
        menu.add("close", "Out of the folder", actions.move, ids, "", menu=target)
    menu.addMenu(target)
