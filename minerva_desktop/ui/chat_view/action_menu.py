"""The menu of a message: what is selected in it, the link under the pointer, and its actions.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.chat_view.actions import CHANGE_THE_CHAT, ICONS, KEYS, MessageAction
from minerva_desktop.ui.chat_view.copy_keys import AS_MARKDOWN, MARKDOWN_KEYS
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.selection_keeper import SelectionKeeper
from minerva_desktop.ui.controls import PopupMenu
from minerva_desktop.ui.icons import Icons

# A line above these.
NEW_GROUP = {MessageAction.REGENERATE, MessageAction.BRANCH, MessageAction.DELETE}


def message_menu(
    icons: Icons,
    parent: QWidget,
    body: RichTextView,
    selection: SelectionKeeper,
    actions: Sequence[MessageAction],
    trigger: Callable[[MessageAction], None],
    *,
    is_busy: bool,
) -> PopupMenu:
    """The menu, not shown yet. ``is_busy``: an answer is being written, so that the chat cannot be
    changed."""
    menu = PopupMenu(parent)
    menu.setObjectName("messageMenu")
    if selection.exists:
        add_selection(menu, icons, selection)
    link = body.take_menu_link()
    if link:
        copy_link = menu.addAction(icons.icon("copy", "muted"), "Copy link address")
        copy_link.triggered.connect(partial(QGuiApplication.clipboard().setText, link))
    copies_selection = selection.exists
    for action in actions:
        if action in NEW_GROUP:
            menu.addSeparator()
        entry = menu.addAction(icons.icon(ICONS[action], "muted"), action.value)
        entry.setEnabled(not (is_busy and action in CHANGE_THE_CHAT))
        entry.triggered.connect(partial(trigger, action))
        if action in KEYS and not (copies_selection and action is MessageAction.COPY):
            _show_keys(entry, QKeySequence(KEYS[action]))
    return menu


def add_selection(menu: PopupMenu, icons: Icons, selection: SelectionKeeper) -> None:
    """Offer to copy what is selected in the transcript."""
    icon = icons.icon("copy", "muted")
    for words, keys, copy in (
        ("Copy selection", QKeySequence(KEYS[MessageAction.COPY]), selection.copy),
        (AS_MARKDOWN, MARKDOWN_KEYS, selection.copy_markdown),
    ):
        entry = menu.addAction(icon, words)
        entry.triggered.connect(copy)
        _show_keys(entry, keys)


def _show_keys(entry: QAction, keys: QKeySequence) -> None:
    entry.setShortcut(keys)  # in a menu, they are only shown
    entry.setShortcutVisibleInContextMenu(True)
