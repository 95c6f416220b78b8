"""Snippets in a text field: ``/`` at a line's start lists them, and one that is taken is put in.

Attaches to a `MessageEdit`, whose keys it sees first. Main thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QInputMethodEvent, QKeyEvent, QTextCursor

from minerva_desktop.chat.presets import Snippet, filled, variables
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.snippet_list import SnippetList
from minerva_desktop.ui.snippet_places import SnippetPlaces, units
from minerva_desktop.ui.theme import ThemeSource

MAX_BEFORE = 200  # characters before the cursor, within which “/name” is looked for
SELECTION = "selection"
_COMMAND = re.compile(r"[ \t]*/([\w-]*)")
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_CLOSING = (QEvent.Type.FocusOut, QEvent.Type.Hide, QEvent.Type.Resize)


class SnippetPopup(QObject):
    """``manage_wanted``: the person wants to change the snippets."""

    manage_wanted = Signal()

    def __init__(
        self,
        editor: MessageEdit,
        themes: ThemeSource,
        snippets: Callable[[], Sequence[Snippet]],
        values: Callable[[Set[str]], Mapping[str, str]],
    ) -> None:
        """``values`` tells what the places of a snippet are filled with, of those that are asked
        for by name."""
        super().__init__(editor)
        self._editor = editor
        self._snippets = snippets
        self._values = values
        self._list = SnippetList(editor, themes)
        self._places = SnippetPlaces(editor)
        self._is_typed = False  # the next change of the text comes from a key
        self._is_dismissed = False  # by Esc, until another “/” is typed
        self._replaced = ""  # what was selected when “/” was typed
        editor.installEventFilter(self)
        editor.textChanged.connect(self._on_text)
        editor.cursorPositionChanged.connect(self._on_cursor)
        self._list.picked.connect(self._on_picked)

    @property
    def is_open(self) -> bool:
        """Whether the list is shown."""
        return not self._list.isHidden()

    def hold(self) -> str:
        """See `SnippetPlaces.hold`."""
        return self._places.hold()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if self._takes(event):
                event.accept()
                return True
            self._note_typing(event)
        elif isinstance(event, QInputMethodEvent):
            self._is_typed = bool(event.commitString())
        elif event.type() in _CLOSING:
            self._is_typed = False
            self._list.hide()
        return super().eventFilter(watched, event)

    def _takes(self, event: QKeyEvent) -> bool:
        """Whether this key was for the list, or for the places; then it was obeyed."""
        if self._is_composing():
            return False
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        key, is_plain = event.key(), modifiers == Qt.KeyboardModifier.NoModifier
        if is_plain and self.is_open and self._is_for_list(key):
            return True
        if key == Qt.Key.Key_Tab and is_plain:
            return self._places.next()
        if key == Qt.Key.Key_Backtab:
            return self._places.previous()
        if key == Qt.Key.Key_Escape and is_plain and self._places.is_active:
            self._places.end()
            return True
        return False

    def _is_for_list(self, key: int) -> bool:
        if key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self._list.move_by(1 if key == Qt.Key.Key_Down else -1)
        elif key in (*_ENTER, Qt.Key.Key_Tab) and self._list.current is not None:
            self._list.take_current()
        elif key == Qt.Key.Key_Escape:
            self._is_dismissed = True
            self._list.hide()
        else:
            return False
        return True

    def _note_typing(self, event: QKeyEvent) -> None:
        typed = event.text()
        is_erasing = event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete)
        self._is_typed = is_erasing or bool(typed and typed.isprintable())
        if typed == "/":
            self._is_dismissed = False
            self._replaced = self._editor.textCursor().selection().toPlainText()

    def _is_composing(self) -> bool:
        layout = self._editor.textCursor().block().layout()
        return bool(layout.preeditAreaText())

    @Slot()
    def _on_text(self) -> None:
        if self._editor.document().isEmpty():
            self._places.forget()
        if self._is_typed or self.is_open:
            self._is_typed = False
            self._look()

    @Slot()
    def _on_cursor(self) -> None:
        if self.is_open:
            self._look()

    def _look(self) -> None:
        """Offer the snippets whose name begins as what stands before the cursor."""
        prefix = self._prefix()
        if prefix is None:
            self._list.hide()
            return
        wanted = prefix.casefold()
        found = [each for each in self._snippets() if each.name.casefold().startswith(wanted)]
        found.sort(key=lambda each: each.name.casefold() != wanted)
        if self._is_dismissed or (wanted and not found):
            self._list.hide()
        else:
            self._list.offer(found)

    def _prefix(self) -> str | None:
        """What was typed behind “/” so far; None where there is none at the line's start."""
        cursor = self._editor.textCursor()
        if cursor.hasSelection() or cursor.positionInBlock() > MAX_BEFORE:
            return None
        cursor.setPosition(cursor.block().position(), QTextCursor.MoveMode.KeepAnchor)
        match = _COMMAND.fullmatch(cursor.selectedText())
        return None if match is None else match[1]

    @Slot(object)
    def _on_picked(self, snippet: Snippet | None) -> None:
        prefix = self._prefix()
        self._list.hide()
        if prefix is None:
            return
        cursor = self._editor.textCursor()
        start = cursor.position() - units(f"/{prefix}")
        cursor.setPosition(start, QTextCursor.MoveMode.KeepAnchor)
        self._editor.setTextCursor(cursor)
        if snippet is None:
            cursor.removeSelectedText()
            self.manage_wanted.emit()
            return
        values = dict(self._values(variables(snippet.text)))
        if self._replaced:
            values[SELECTION] = self._replaced
        done = filled(
            _one_kind_of_line(snippet.text),
            {name: _one_kind_of_line(value) for name, value in values.items()},
        )
        if self._editor.insert_text(done.text):
            self._places.begin(start, done.text, done.places)
        else:  # it comes as a file
            cursor.removeSelectedText()


def _one_kind_of_line(text: str) -> str:
    """Each line's end as one character, as it is in the field: places count them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
