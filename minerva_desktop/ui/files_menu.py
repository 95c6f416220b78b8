"""The menu at the foot of the sidebar: all chats to files and back, and their backups. Main
thread."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from minerva_desktop.ui.controls import PopupMenu, icon_button
from minerva_desktop.ui.icons import Icons


class FilesMenu(QWidget):
    """A button; nothing has happened yet when its signals are emitted."""

    import_wanted = Signal()
    export_wanted = Signal()
    backups_wanted = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._button = icon_button(icons, "more", "Import, export and backups", size=28)
        self._button.setObjectName("chatFilesButton")
        self._button.clicked.connect(self._open)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._button)

    @Slot()
    def _open(self) -> None:
        menu = PopupMenu(self)
        menu.setObjectName("chatFilesMenu")
        menu.addAction("Import chats…").triggered.connect(self.import_wanted)
        menu.addAction("Export all chats…").triggered.connect(self.export_wanted)
        menu.addSeparator()
        menu.addAction("Backups…").triggered.connect(self.backups_wanted)
        above = QPoint(0, -menu.sizeHint().height())
        menu.popup(self._button.mapToGlobal(above))
