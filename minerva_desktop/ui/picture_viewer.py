"""An image that came with a message, as large as the window has room for. Main thread."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence, QPainter, QPaintEvent, QShortcut
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from minerva_desktop.app.attachments import attached_name
from minerva_desktop.chat.export_names import file_stem
from minerva_desktop.chat.parts import ImagePart
from minerva_desktop.ui.attachment_chip import image_facts
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.forms import dialog_button
from minerva_desktop.ui.theme import GRID

SHARE = 0.8  # of the window, that the image gets at most
LEAST = QSize(80 * GRID, 40 * GRID)  # px


class PictureViewer(QDialog):
    """``save_wanted(path)``: its file is to be written there."""

    save_wanted = Signal(Path)

    def __init__(self, part: ImagePart, image: QImage, parent: QWidget) -> None:
        super().__init__(parent)
        self._image = image
        self._name = attached_name(part.name)
        self.setObjectName("pictureViewer")
        self.setWindowTitle(self._name)
        name = ElidedLabel(self._name)
        name.setProperty("look", "title")
        facts = QLabel(image_facts(part))
        facts.setProperty("look", "muted")
        copy, save = dialog_button("Copy", "copyPicture"), dialog_button("Save as…", "savePicture")
        close = dialog_button("Close", "closePicture")
        close.setDefault(True)
        copy.clicked.connect(self._copy)
        save.clicked.connect(self._save)
        close.clicked.connect(self.close)
        buttons = QHBoxLayout()
        buttons.setSpacing(2 * GRID)
        buttons.addStretch(1)
        for button in (copy, save, close):
            buttons.addWidget(button)
        box = QVBoxLayout(self)
        box.setContentsMargins(5 * GRID, 4 * GRID, 5 * GRID, 4 * GRID)
        box.setSpacing(2 * GRID)
        for label in (name, facts):
            box.addWidget(label)
        box.addWidget(_Canvas(image, self._name, parent.size() * SHARE), 1)
        box.addLayout(buttons)
        close.setFocus()
        QShortcut(QKeySequence(QKeySequence.StandardKey.Save), self).activated.connect(self._save)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self).activated.connect(self._copy)

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setImage(self._image)

    @Slot()
    def _save(self) -> None:
        dialog = QFileDialog(self, "Save the image")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.selectFile(file_stem(self._name))  # which names no folder
        dialog.fileSelected.connect(self._on_target)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _on_target(self, path: str) -> None:
        self.save_wanted.emit(Path(path))


class _Canvas(QWidget):
    """The image in the middle, never larger than it is."""

    def __init__(self, image: QImage, name: str, room: QSize) -> None:
        super().__init__()
        self._image = image
        self._hint = _within(image.size(), room).expandedTo(LEAST)
        self.setMinimumSize(LEAST)
        self.setAccessibleName(f"Image {name}")

    def sizeHint(self) -> QSize:
        return self._hint

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        place = QRectF()
        place.setSize(_within(self._image.size(), self.size()))
        place.moveCenter(QRectF(self.rect()).center())
        painter.drawImage(place, self._image)


def _within(size: QSize, room: QSize) -> QSize:
    if size.width() <= room.width() and size.height() <= room.height():
        return size
    return size.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
