"""The states of `screenshot.py` that are about the list of chats. Main thread."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QItemSelectionModel
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

import screenshot_samples as samples
from minerva_desktop.app.chat_search import FoundChat, FoundMessage
from minerva_desktop.chat.conversation import ConversationSummary, Folder
from minerva_desktop.ui.chat_list import ChatListView
from minerva_desktop.ui.chat_rows import ChatMarks, archive_rows, chat_rows, trash_rows
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.search_results import Found

NARROW = 700  # px
FOLDERS = (
    Folder(id="cooking", name="Cooking"),
    Folder(id="empty", name="Empty for now"),
    Folder(id="work", name="Work, with a name that is longer than the sidebar is wide"),
)
DAY = 24 * 3600.0


class HasWindow(Protocol):
    """Of a stage only what is needed here."""

    @property
    def window(self) -> MainWindow:
        """The window to fill."""


def folders(stage: HasWindow) -> list[QWidget]:
    """Pinned chats, folders of which one is closed, and days."""
    rows = chat_rows(_placed(), FOLDERS, ["work"], now=samples.NOW)
    warm = frozenset(chat.id for chat in _placed()[::2])
    stage.window.sidebar.set_rows(msgspec.structs.replace(rows, warm=warm))
    stage.window.sidebar.set_current(samples.OPEN_CHAT)
    return []


def marks(stage: HasWindow) -> list[QWidget]:
    """Answers that are being written, and that nobody has seen, also in a closed folder."""
    folders(stage)
    unread = frozenset({"chat-4", "chat-6", "chat-3"})
    marked = ChatMarks(answering=frozenset({"chat-2", "chat-7"}), unread=unread)
    stage.window.sidebar.set_marks(marked)
    return []


def chosen(stage: HasWindow) -> list[QWidget]:
    """Several chats are selected."""
    folders(stage)
    view = _list(stage.window)
    view.setFocus()
    for row in (5, 6, 9):
        index = view.model().index(row, 0)
        view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.Select)
    return []


def chat_menu(stage: HasWindow) -> list[QWidget]:
    """The menu of a chat, with that of the folders."""
    folders(stage)
    view = _list(stage.window)
    view.show_menu_at_button(view.model().index(5, 0))
    menu = QApplication.activePopupWidget()
    return [] if menu is None else [menu]


def tags(stage: HasWindow) -> list[QWidget]:
    """The editor of a chat's tags."""
    folders(stage)
    editor = stage.window.sidebar.edit_tags(["chat-7"], ["bread", "cooking", "weekend"])
    return [] if editor is None else [editor]


def folder_name(stage: HasWindow) -> list[QWidget]:
    """The name of a new folder is typed."""
    folders(stage)
    stage.window.sidebar.edit_name("empty")
    return []


def archive(stage: HasWindow) -> list[QWidget]:
    """The archive."""
    stage.window.sidebar.set_rows(archive_rows(samples.CHATS[2:], now=samples.NOW))
    return []


def archive_empty(stage: HasWindow) -> list[QWidget]:
    """The archive with nothing in it."""
    stage.window.sidebar.set_rows(archive_rows([]))
    return []


def trash(stage: HasWindow) -> list[QWidget]:
    """The trash, and the question before it is emptied."""
    stage.window.sidebar.set_rows(trash_rows([_deleted(chat) for chat in samples.CHATS[1:]]))
    text = "Delete all 6 chats in the trash for good? That cannot be undone."
    actions = (NoticeAction("Delete for good", "delete"), NoticeAction("Keep", "keep"))
    stage.window.notifications.show_notice(Notice(NoticeKind.WARNING, text, actions=actions))
    return []


def narrow_trash(stage: HasWindow) -> list[QWidget]:
    """The same, 700 px wide."""
    stage.window.resize(NARROW, stage.window.height())
    stage.window.sidebar.toggle_action.setChecked(True)
    return trash(stage)


def trash_empty(stage: HasWindow) -> list[QWidget]:
    """The trash with nothing in it."""
    stage.window.sidebar.set_rows(trash_rows([]))
    return []


def many_chats(stage: HasWindow) -> list[QWidget]:
    """10,000 chats, seen in their middle."""
    many = [samples.chat(f"many-{n}", f"Chat number {n}", n / 20) for n in range(10_000)]
    stage.window.sidebar.set_rows(chat_rows(many, now=samples.NOW))
    stage.window.sidebar.set_current("many-5000")
    return []


def search(stage: HasWindow) -> list[QWidget]:
    """What was found for a word, in several chats."""
    folders(stage)
    _search_field(stage.window).setText("salt")
    found = [
        FoundChat(samples.CHATS[0], ((15, 19),), [_found(text) for text in _TEXTS]),
        FoundChat(samples.LONG_CHATS[1], (), [_found(_TEXTS[1])]),
        FoundChat(samples.CHATS[6], (), [_found("Flour, water, 😀 salt, time.")]),
        FoundChat(samples.LONG_CHATS[2], (), [_found("ملح البحر salt هو كلوريد الصوديوم")]),
    ]
    stage.window.sidebar.show_found(
        "salt", Found(found, "There is more: add a word or a filter"), is_new=True
    )
    return []


def search_nothing(stage: HasWindow) -> list[QWidget]:
    """Nothing was found."""
    folders(stage)
    _search_field(stage.window).setText("zebra")
    stage.window.sidebar.show_found("zebra", Found([], "Nothing found for “zebra”"), is_new=True)
    return []


def search_hints(stage: HasWindow) -> list[QWidget]:
    """The cursor is in the search field."""
    folders(stage)
    stage.window.activateWindow()
    stage.window.sidebar.focus_search()
    return []


def search_dates(stage: HasWindow) -> list[QWidget]:
    """A date is about to be typed."""
    folders(stage)
    stage.window.activateWindow()
    stage.window.sidebar.focus_search()
    _search_field(stage.window).setText("salt after:")
    return []


def search_problem(stage: HasWindow) -> list[QWidget]:
    """A filter makes no sense."""
    folders(stage)
    _search_field(stage.window).setText("salt before:soon")
    text = "“before:soon” is no date: write before:2026-03-31, or 2026-03, yesterday or 7d"
    stage.window.sidebar.show_problem(text)
    return []


def _found(text: str) -> FoundMessage:
    marks = [(each.start(), each.end()) for each in re.finditer("salt", text, re.IGNORECASE)]
    return FoundMessage(text[:20], text, tuple(marks), samples.NOW.timestamp())


_LONG = (
    "Water leaves the sea again by evaporating, but the salt stays behind. Over hundreds of "
    "millions of years it has added up to about 35 grams in every litre…"
)
_TEXTS = (
    _LONG,
    "…one, such as the Dead Sea, are salty too.",
    "Salt lakes",
    "More salt",
    "And more salt",
)


def _search_field(window: MainWindow) -> QLineEdit:
    (field,) = window.findChildren(QLineEdit, "chatSearch")
    return field


@dataclass(frozen=True)
class _Place:
    is_pinned: bool = False
    folder_id: str | None = None
    tags: tuple[str, ...] = ()


_PLACES = {
    "chat-2": _Place(is_pinned=True),
    "chat-4": _Place(folder_id="work"),
    "chat-6": _Place(is_pinned=True, folder_id="work"),
    "chat-7": _Place(folder_id="cooking", tags=("bread", "R & D")),
    "chat-5": _Place(folder_id="cooking"),
}


def _placed() -> list[ConversationSummary]:
    chats = []
    for chat in samples.CHATS:
        place = _PLACES.get(chat.id, _Place())
        chats.append(
            replace(chat, is_pinned=place.is_pinned, folder_id=place.folder_id, tags=place.tags)
        )
    return chats


def _deleted(chat: ConversationSummary) -> ConversationSummary:
    """Deleted when it was used last, at most 29 days ago as seen now."""
    days = min(29.0, (samples.NOW.timestamp() - chat.updated_at) / DAY)
    return replace(chat, deleted_at=time.time() - days * DAY)


def _list(window: MainWindow) -> ChatListView:
    (view,) = window.findChildren(ChatListView)
    return view


STATES: dict[str, Callable[[HasWindow], list[QWidget]]] = {
    "folders": folders,
    "marks": marks,
    "chosen": chosen,
    "chat-menu": chat_menu,
    "tags": tags,
    "folder-name": folder_name,
    "archive": archive,
    "archive-empty": archive_empty,
    "trash": trash,
    "narrow-trash": narrow_trash,
    "trash-empty": trash_empty,
    "many-chats": many_chats,
    "search": search,
    "search-nothing": search_nothing,
    "search-hints": search_hints,
    "search-dates": search_dates,
    "search-problem": search_problem,
}
