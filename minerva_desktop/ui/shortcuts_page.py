"""The page of the About dialog that lists the keyboard shortcuts. Main thread."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout

from minerva_desktop.ui.forms import Form, ScrolledPage
from minerva_desktop.ui.text_size_keys import LARGER, SMALLER, USUAL
from minerva_desktop.ui.theme import GRID

Key = str | QKeySequence.StandardKey
Section = tuple[str, tuple[tuple[tuple[Key, ...], str], ...]]
_ANYWHERE: Section = (
    "Anywhere",
    (
        (("Ctrl+N",), "new chat"),
        (("Ctrl+Shift+N",), "temporary chat"),
        (("Ctrl+K",), "search the chats"),
        (("Ctrl+L",), "choose a model"),
        (("Ctrl+O",), "add a model"),
        (("Ctrl+Shift+L",), "load options of the model"),
        (("Ctrl+Shift+S",), "local server"),
        (("Ctrl+B",), "sidebar"),
        (("Ctrl+Shift+P",), "parameters"),
        (("Ctrl+,",), "settings"),
        (("Ctrl+Z",), "take back what was done last"),
        (("F6", "Shift+F6"), "next, previous part of the window"),
        (("Esc",), "leave an edit, stop the answer; back to the message field"),
        (("Enter", "Space"), "press the button with the focus"),
        (("F1",), "about Minerva"),
        (("Ctrl+/",), "this list"),
        ((QKeySequence.StandardKey.Quit,), "quit"),
    ),
)
_LIST: Section = (
    "In the list of chats",
    (
        (("F2",), "rename"),
        (("Del",), "delete, with Undo"),
        (("Ctrl+A",), "choose all"),
        (("Menu",), "menu of the chat"),
    ),
)
_FIELD: Section = (
    "In the message field",
    (
        (("Enter",), "send (as Settings have it)"),
        (("Ctrl+Enter",), "send, in any case"),
        (("Shift+Enter",), "new line"),
        (("/",), "at the start of a line: snippets"),
        (("Tab", "Shift+Tab"), "next, previous place of a snippet"),
        (("Ctrl+Shift+A",), "attach files"),
        (("Ctrl+Shift+V",), "paste long text, not as a file"),
        (("Up",), "edit the last question (if empty)"),
        (("Alt+Up", "Alt+Down"), "earlier, or move waiting messages"),
    ),
)
_CHAT: Section = (
    "In the chat",
    (
        (("Ctrl+F",), "find"),
        (("F3", "Shift+F3"), "next, previous match"),
        ((LARGER, SMALLER, USUAL), "larger, smaller, usual text"),
        (("Ctrl+Up", "Ctrl+Down"), "the message above, below"),
        (("Alt+Left", "Alt+Right"), "another version of the message"),
        (("F2",), "edit the message"),
        (("Del",), "delete the message, with Undo"),
        (("Ctrl+C",), "copy selection, or message"),
        (("Ctrl+Shift+C",), "copy it as Markdown"),
        (("Shift+Up", "Shift+Down"), "select into other messages"),
        (("Ctrl+A",), "select all"),
        (("Menu",), "menu of the message"),
    ),
)
COLUMNS = ((_ANYWHERE, _LIST), (_FIELD, _CHAT))


class ShortcutsPage(ScrolledPage):
    """Two columns; the arrow keys scroll where the window is too low for them."""

    def __init__(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8 * GRID)
        for sections in COLUMNS:
            column = QVBoxLayout()
            form = Form()
            form.setHorizontalSpacing(4 * GRID)
            form.setVerticalSpacing(GRID)
            for title, lines in sections:
                form.add_section(title)
                for keys, words in lines:
                    _add_line(form, native(keys), words)
            column.addLayout(form)
            column.addStretch(1)
            row.addLayout(column, 1)
        super().__init__(row)
        self.setObjectName("shortcutsPage")
        self.setAccessibleName("Keyboard shortcuts")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)


def native(keys: Iterable[Key]) -> str:
    """``keys`` as this system writes them; empty where it has none of them."""
    form = QKeySequence.SequenceFormat.NativeText
    return ", ".join(filter(None, (QKeySequence(key).toString(form) for key in keys)))


def _add_line(form: Form, keys: str, words: str) -> None:
    if keys:
        what = QLabel(words)
        what.setWordWrap(True)
        what.setProperty("look", "muted")
        form.add_row(keys, what)
