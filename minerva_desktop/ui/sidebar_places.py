"""The ways between the chats, the archive and the trash in the sidebar. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from minerva_desktop.ui.chat_list import MIME_TYPE, dragged_chats
from minerva_desktop.ui.chat_rows import Place
from minerva_desktop.ui.controls import icon_button, plain_tip, set_sign
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

SIGN = 16  # px
SLOW_MS = 300
OPENING = "Opening your chats …"
EMPTY = {
    Place.CHATS: "No chats yet",
    Place.ARCHIVE: "Nothing is archived",
    Place.TRASH: "The trash is empty",
}
SEARCHED = {
    Place.CHATS: "Search chats",
    Place.ARCHIVE: "Search chats",
    Place.TRASH: "Search titles in the trash",
}


class EmptyNote(QLabel):
    """In the place of the rows where there are none. Until they are listed, nobody knows whether
    there are any: then it is empty or, where that takes long, as the recovery of a damaged file
    does, says that they are being opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("look", "muted")
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.setContentsMargins(0, 8 * GRID, 0, 0)
        self.setWordWrap(True)
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.setInterval(SLOW_MS)
        self._slow.timeout.connect(self._on_slow)

    def begin_opening(self) -> None:
        """The chats are being opened."""
        self._slow.start()

    def end_opening(self) -> None:
        """They are open and listed, or could not be opened."""
        self._slow.stop()
        if self.text() == OPENING:
            self.clear()

    @Slot()
    def _on_slow(self) -> None:
        if not self.text():
            self.setText(OPENING)


class PlaceHeader(QWidget):
    """Above the archive and the trash: what is shown, the way back, and "Empty"."""

    left = Signal()
    empty_trash = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._back = icon_button(
            icons, "chevron-left", "Back to the chats", shortcut="Esc", size=7 * GRID
        )
        self._back.setObjectName("placeBackButton")
        self._back.clicked.connect(self.left)
        self._title = QLabel()
        self._title.setObjectName("placeTitle")
        self._title.setProperty("look", "heading")
        self._empty = QPushButton("Empty")
        self._empty.setObjectName("emptyTrashButton")
        self._empty.setProperty("look", "link")
        self._empty.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._empty.setAccessibleName("Empty the trash")
        self._empty.setToolTip(plain_tip("Delete all that is in the trash for good"))
        self._empty.clicked.connect(self.empty_trash)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._back)
        row.addWidget(self._title, 1)
        row.addWidget(self._empty)
        self.hide()

    def set_place(self, place: Place, *, is_empty: bool) -> None:
        """Show what stands below."""
        self._title.setText(place.value)
        self._empty.setVisible(place is Place.TRASH)
        self._empty.setEnabled(not is_empty)
        self.setVisible(place is not Place.CHATS)


class PlaceBar(QWidget):
    """At the foot of the sidebar. ``chosen`` carries the `Place` to show, ``more_pressed`` the
    button that a menu belongs to; ``archived`` and ``deleted`` the ids of chats that were dropped
    there, the former with True."""

    chosen = Signal(object)
    more_pressed = Signal(QToolButton)
    archived = Signal(list, bool)
    deleted = Signal(list)

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._archive = _button(icons, "archive", Place.ARCHIVE, "Chats that were put away")
        self._archive.clicked.connect(self._choose_archive)
        self._archive.dropped.connect(self._on_archived)
        self._trash = _button(icons, "trash", Place.TRASH, "Chats that were deleted")
        self._trash.clicked.connect(self._choose_trash)
        self._trash.dropped.connect(self.deleted)
        self._more = icon_button(
            icons, "more", "New folder, import, export, backups, shortcuts, about", size=7 * GRID
        )
        self._more.setObjectName("listMenuButton")
        self._more.clicked.connect(self._press_more)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._archive)
        row.addWidget(self._trash)
        row.addStretch(1)
        row.addWidget(self._more)

    def set_place(self, place: Place) -> None:
        """Mark what is shown."""
        self._archive.setChecked(place is Place.ARCHIVE)
        self._trash.setChecked(place is Place.TRASH)
        # Chats are put away from the list, and deleted from there and the archive.
        self._archive.setAcceptDrops(place is Place.CHATS)
        self._trash.setAcceptDrops(place is not Place.TRASH)

    @Slot(list)
    def _on_archived(self, chat_ids: list[str]) -> None:
        self.archived.emit(chat_ids, True)

    @Slot()
    def _press_more(self) -> None:
        self.more_pressed.emit(self._more)

    @Slot()
    def _choose_archive(self) -> None:
        self._choose(self._archive, Place.ARCHIVE)

    @Slot()
    def _choose_trash(self) -> None:
        self._choose(self._trash, Place.TRASH)

    def _choose(self, button: QPushButton, place: Place) -> None:
        self.chosen.emit(place if button.isChecked() else Place.CHATS)


class _PlaceButton(QPushButton):
    """``dropped`` carries the ids of chats that were dropped on it."""

    dropped = Signal(list)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        event.setAccepted(event.mimeData().hasFormat(MIME_TYPE))
        self.setDown(event.isAccepted())

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self.setDown(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.setDown(False)
        event.setDropAction(Qt.DropAction.MoveAction)
        event.accept()
        self.dropped.emit(dragged_chats(event.mimeData()))


def _button(icons: Icons, icon: str, place: Place, tip: str) -> _PlaceButton:
    button = _PlaceButton(place.value)
    button.setObjectName(f"{place.value.lower()}Button")
    button.setProperty("look", "ghost")
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setToolTip(plain_tip(tip))
    set_sign(button, icons.icon(icon, "muted"), SIGN)
    return button
