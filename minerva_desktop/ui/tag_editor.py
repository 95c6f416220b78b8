"""A small popup that adds tags to a chat and takes them away. Main thread."""

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


class TagEditor(PopupFrame):
    """``changed`` carries the chat's id and its tags after each change.

    It deletes itself when it closes.
    """

    changed = Signal(str, list)

    def __init__(
        self, icons: Icons, chat: ConversationSummary, known: Sequence[str], parent: QWidget
    ) -> None:
        """``known`` are the tags of all chats, which are offered."""
        super().__init__(parent)
        self._icons = icons
        self._chat_id = chat.id
        self._tags = list(chat.tags)
        self.setObjectName("tagEditor")
        self.setAccessibleName("Tags of the chat")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(WIDTH)
        self._edit = QLineEdit()
        self._edit.setObjectName("tagEdit")
        self._edit.setAccessibleName("New tag")
        self._edit.setPlaceholderText("Add a tag")
        self._edit.setMaxLength(MAX_TAG_LENGTH)
        self._edit.returnPressed.connect(self._add_typed)
        completer = QCompleter(sorted(set(known), key=str.casefold), self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.InlineCompletion)
        self._edit.setCompleter(completer)
        self._hint = QLabel("Find chats by it with tag:name in the search")
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
            self._use([*self._tags, tag])

    @Slot(str)
    def _take_away(self, tag: str) -> None:
        self._use([each for each in self._tags if each != tag])
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def _use(self, tags: list[str]) -> None:
        self._tags = tags
        self._show_tags()
        self.changed.emit(self._chat_id, list(tags))

    def _show_tags(self) -> None:
        for button in self._buttons:
            button.hide()
            button.deleteLater()
        self._buttons = [_TagButton(self._icons, tag) for tag in self._tags]
        for number, button in enumerate(self._buttons):
            button.taken_away.connect(self._take_away)
            self._box.insertWidget(number + 1, button)
            button.show()
        self._hint.setVisible(not self._tags)
        self._box.activate()
        self.adjustSize()


class _TagButton(QPushButton):
    """A tag of the chat; pressing it takes it away."""

    taken_away = Signal(str)

    def __init__(self, icons: Icons, tag: str) -> None:
        super().__init__(tag.replace("&", "&&"))
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
