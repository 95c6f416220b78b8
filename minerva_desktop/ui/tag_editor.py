"""A small popup that adds tags to one or several chats and takes them away. Main thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCompleter, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.controls import PopupFrame, plain_tip, set_sign
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

WIDTH = 240  # px
MAX_TAG_LENGTH = 40  # characters
SIGN = 16  # px
TEXT_WIDTH = WIDTH - SIGN - 12 * GRID  # px; of a tag, within what is around it
HINT = "Find chats by it with tag:name in the search"


class TagEditor(PopupFrame):
    """Shows the tags that all of the chats have. ``changed`` carries the tags of each chat by its
    id, a dict, after each change.

    It deletes itself when it closes.
    """

    changed = Signal(object)

    def __init__(
        self,
        icons: Icons,
        chats: Sequence[ConversationSummary],
        known: Sequence[str],
        parent: QWidget,
    ) -> None:
        """For ``chats``, at least one; ``known`` are the tags of all chats, which are offered."""
        super().__init__(parent)
        self._icons = icons
        self._tags_of = {chat.id: list(chat.tags) for chat in chats}
        others = [set(tags) for tags in self._tags_of.values()]
        self._tags = [tag for tag in chats[0].tags if all(tag in each for each in others)]
        self.setObjectName("tagEditor")
        several = f"{len(chats):,} chats" if len(chats) > 1 else ""
        self.setAccessibleName(f"Tags of {several or 'the chat'}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(WIDTH)
        self._edit = QLineEdit()
        self._edit.setObjectName("tagEdit")
        self._edit.setAccessibleName("New tag")
        self._edit.setPlaceholderText(f"Add a tag to {several}" if several else "Add a tag")
        self._edit.setMaxLength(MAX_TAG_LENGTH)
        self._edit.inputRejected.connect(self._tell_limit)
        self._edit.returnPressed.connect(self._add_typed)
        completer = QCompleter(sorted(set(known), key=str.casefold), self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.InlineCompletion)
        self._edit.setCompleter(completer)
        self._hint = QLabel(HINT)
        self._hint.setProperty("look", "muted")
        self._hint.setWordWrap(True)
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        self._box.setSpacing(GRID)
        self._box.addWidget(self._edit)
        self._box.addWidget(self._hint)
        self._buttons: list[_TagButton] = []
        self._show_tags()

    def open_at(self, corner: QPoint) -> None:
        """Show it with its upper left corner there (global), within the screen."""
        self.adjustSize()
        room = self.screen().availableGeometry()
        left = min(corner.x(), room.right() - self.width())
        top = min(corner.y(), room.bottom() - self.height())
        self.move(left, top)
        self.show()
        self._edit.setFocus(Qt.FocusReason.PopupFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        elif event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)

    @Slot()
    def _add_typed(self) -> None:
        tag = " ".join(self._edit.text().split())
        if not tag:
            self.close()
            return
        self._edit.clear()
        if tag.casefold() not in {each.casefold() for each in self._tags}:
            self._tags.append(tag)
            for tags in self._tags_of.values():
                if tag.casefold() not in {each.casefold() for each in tags}:
                    tags.append(tag)
            self._emit_changed()

    @Slot(str)
    def _take_away(self, tag: str) -> None:
        for tags in (self._tags, *self._tags_of.values()):
            if tag in tags:
                tags.remove(tag)
        self._emit_changed()
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def _emit_changed(self) -> None:
        self._show_tags()
        self.changed.emit({chat_id: list(tags) for chat_id, tags in self._tags_of.items()})

    @Slot()
    def _tell_limit(self) -> None:
        self._hint.setText(f"A tag has at most {MAX_TAG_LENGTH} characters")
        self._hint.show()
        self._box.activate()
        self.adjustSize()

    def _show_tags(self) -> None:
        for button in self._buttons:
            button.hide()
            button.deleteLater()
        self._buttons = [_TagButton(self._icons, tag) for tag in self._tags]
        for number, button in enumerate(self._buttons):
            button.taken_away.connect(self._take_away)
            self._box.insertWidget(number + 1, button)
            button.show()
        self._hint.setText(HINT)
        self._hint.setVisible(not self._tags)
        self._box.activate()
        self.adjustSize()


class _TagButton(QPushButton):
    """A tag of the chat; pressing it takes it away."""

    taken_away = Signal(str)

    def __init__(self, icons: Icons, tag: str) -> None:
        super().__init__()
        self.ensurePolished()  # for its font
        elide = Qt.TextElideMode.ElideRight
        shown = self.fontMetrics().elidedText(tag, elide, TEXT_WIDTH)
        self.setText(shown.replace("&", "&&"))
        self._tag = tag
        self.setObjectName("tagButton")
        self.setProperty("look", "ghost")
        set_sign(self, icons.icon("close", "muted"), SIGN)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(f"Remove the tag {tag}")
        self.setToolTip(plain_tip(f"Remove the tag “{tag}”"))
        self.clicked.connect(self._emit_tag)

    @Slot()
    def _emit_tag(self) -> None:
        self.taken_away.emit(self._tag)
