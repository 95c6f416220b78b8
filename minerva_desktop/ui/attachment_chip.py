"""A file that goes with a message, as a small card: its name, its size, its tokens.

In the composer it can be taken out, in the transcript not. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QToolButton, QWidget

from minerva_desktop.app.attachments import attached_name, estimated_tokens
from minerva_desktop.chat.parts import FilePart, ImagePart
from minerva_desktop.ui.controls import icon_button, plain_tip
from minerva_desktop.ui.formats import n_of
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.stylesheet import MIN_FONT_PX
from minerva_desktop.ui.theme import GRID
from minerva_desktop.units import format_bytes

HEIGHT = 11 * GRID  # px
GAP = 2 * GRID  # px between two of them
MAX_WIDTH = 64 * GRID  # px
MIN_WIDTH = 32 * GRID
SIGN = 5 * GRID
PADDING = 2 * GRID
RADIUS = 8
REMOVE = 6 * GRID  # px, side of the cross


def file_facts(part: FilePart) -> str:
    """``12.3 kB · 3,045 tokens``; about how many, where no model counted them."""
    count, about = (part.n_tokens, "") if part.n_tokens else (estimated_tokens(part), "≈ ")
    return f"{format_bytes(part.n_bytes)} · {about}{n_of(count, 'token')}"


def image_facts(part: ImagePart) -> str:
    """``800 × 600 · 120.0 kB``."""
    size = f"{part.width} × {part.height} · " if part.width and part.height else ""
    return size + format_bytes(max(part.n_bytes, 0))


class AttachmentChip(QAbstractButton):
    """``clicked``: it is to be opened; ``removed``: taken out, by its cross, Delete or Backspace;
    ``menu_requested(place on the screen)``."""

    removed = Signal()
    menu_requested = Signal(QPoint)

    def __init__(self, icons: Icons, *, can_remove: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._name = ""
        self._facts = ""
        self._cross: QToolButton | None = None
        self.setObjectName("attachmentChip")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        if can_remove:
            self._cross = icon_button(icons, "close", "Remove", size=REMOVE)
            self._cross.setParent(self)
            self._cross.setObjectName("removeAttachment")
            self._cross.clicked.connect(self.removed)

    def follow(self, before: QWidget) -> QWidget:
        """Have Tab lead from ``before`` to this and its cross; the last that it leads to."""
        QWidget.setTabOrder(before, self)
        if self._cross is None:
            return self
        QWidget.setTabOrder(self, self._cross)
        return self._cross

    @property
    def facts(self) -> str:
        """What stands beneath the name."""
        return self._facts

    def set_content(self, name: str, facts: str, note: str = "") -> None:
        """Show that; ``note`` is what there is to say about how the file was read."""
        name = self._name = attached_name(name)  # of a file, or of a chat that was imported
        self._facts = facts
        self.setAccessibleName(f"{name}, {facts.replace(' · ', ', ')}")
        self.setAccessibleDescription(note)
        self.setToolTip(plain_tip("\n".join(filter(None, (name, facts, note)))))
        if self._cross is not None:
            self._cross.setAccessibleName(f"Remove {name}")
            self._cross.setToolTip(plain_tip(f"Remove {name}", "Del"))
        self.resize(self.sizeHint())
        self.update()

    def sizeHint(self) -> QSize:
        bold, small = self._fonts()
        text = max(
            QFontMetrics(bold).horizontalAdvance(self._name),
            QFontMetrics(small).horizontalAdvance(self._facts),
        )
        width = self._text_left() + text + 1 + self._text_right()
        return QSize(max(MIN_WIDTH, min(MAX_WIDTH, width)), HEIGHT)

    def _text_left(self) -> int:
        return PADDING + SIGN + PADDING

    def _text_right(self) -> int:
        """px that are taken at the right of the text."""
        return PADDING if self._cross is None else REMOVE + 2 * GRID

    def _fonts(self) -> tuple[QFont, QFont]:
        name, facts = QFont(self.font()), QFont(self.font())
        name.setWeight(QFont.Weight.DemiBold)
        facts.setPixelSize(max(MIN_FONT_PX - 1, self.fontInfo().pixelSize() - 1))
        return name, facts

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._icons.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_under = self.underMouse() and self.isEnabled()
        painter.setBrush(QColor(theme.hover if is_under or self.isDown() else theme.surface))
        painter.setPen(QColor(theme.accent if self.hasFocus() else theme.border))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        sign = QRectF(PADDING, (self.height() - SIGN) / 2, SIGN, SIGN)
        self._icons.paint(painter, "file", sign, "muted")
        left = self._text_left()
        room = self.width() - left - self._text_right()
        bold, small = self._fonts()
        half = self.height() // 2
        for font, text, colour, top in (
            (bold, self._name, theme.text, GRID),
            (small, self._facts, theme.muted, half - 1),
        ):
            painter.setFont(font)
            painter.setPen(QColor(colour))
            shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideMiddle, room)
            place = QRectF(left, top, room, half - GRID + 1)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter), shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._cross is not None:
            self._cross.move(self.width() - REMOVE - GRID, (self.height() - REMOVE) // 2)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self._cross is not None:
            self.removed.emit()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_requested.emit(event.globalPos())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.resize(self.sizeHint())


class FileChip(AttachmentChip):
    """One that came with a message. ``opened(part)``: the text of its file is wanted."""

    opened = Signal(object)

    def __init__(self, icons: Icons, part: FilePart, parent: QWidget) -> None:
        super().__init__(icons, can_remove=False, parent=parent)
        self._part = part
        self.set_content(part.name, file_facts(part))
        self.clicked.connect(self._on_clicked)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The message's own menu is wanted."""
        event.ignore()

    @Slot()
    def _on_clicked(self) -> None:
        self.opened.emit(self._part)


def place_chips(chips: Sequence[QWidget], width: int, *, from_right: bool = False) -> int:
    """Put them side by side in as many rows as it takes in ``width`` px; the height in px."""
    rows: list[list[QWidget]] = []
    taken = width + 1
    for chip in chips:
        size = chip.sizeHint()
        chip.resize(min(size.width(), width), size.height())
        if taken + GAP + chip.width() > width:
            rows.append([])
            taken = -GAP
        rows[-1].append(chip)
        taken += GAP + chip.width()
    y = 0
    for row in rows:
        x = width - sum(chip.width() + GAP for chip in row) + GAP if from_right else 0
        height = max(chip.height() for chip in row)
        for chip in row:
            chip.move(x, y + height - chip.height())
            x += chip.width() + GAP
        y += height + GAP
    return max(0, y - GAP)
