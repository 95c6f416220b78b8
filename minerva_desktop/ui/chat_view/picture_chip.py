"""An image that came with a message, shown small above its words. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from minerva_desktop.app.attachments import attached_name
from minerva_desktop.chat.parts import ImagePart
from minerva_desktop.ui.attachment_chip import HEIGHT, PADDING, RADIUS, image_facts
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

MOST = QSize(72 * GRID, 48 * GRID)  # px
SIGN = 5 * GRID
NOT_SHOWN = "cannot be shown"


class PictureChip(QAbstractButton):
    """``opened(part)``: it is to be seen large. Its size is the image's from the start, so that
    nothing moves when that arrives."""

    opened = Signal(object)

    def __init__(self, icons: Icons, part: ImagePart, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        self.part = part
        self._image = QImage()
        self._is_broken = False  # whether it was read, and cannot be shown
        self.setObjectName("pictureChip")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._name = attached_name(part.name)
        self._describe()
        self.clicked.connect(self._on_clicked)
        self.resize(self.sizeHint())

    def sizeHint(self) -> QSize:
        return shown_size(self.part, MOST).expandedTo(QSize(HEIGHT, HEIGHT))

    @Slot(str, QImage)
    def show_picture(self, digest: str, image: QImage) -> None:
        """The image of that digest was read; one that cannot be is null."""
        if digest == self.part.digest:
            self._image = image
            self._is_broken = image.isNull()
            self._describe()
            self.update()

    def _describe(self) -> None:
        facts = image_facts(self.part) + f" · {NOT_SHOWN}" * self._is_broken
        self.setAccessibleName(f"{self._name}, {facts.replace(' · ', ', ')}")
        self.setToolTip(plain_tip(f"{self._name}\n{facts}"))

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._icons.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        path = QPainterPath()
        path.addRoundedRect(frame, RADIUS, RADIUS)
        painter.fillPath(path, QColor(theme.surface))
        if self._image.isNull():
            self._paint_sign(painter, frame)
        else:
            painter.save()
            painter.setClipPath(path)
            place = QRectF()
            ratio = Qt.AspectRatioMode.KeepAspectRatio
            place.setSize(self._image.size().scaled(self.size(), ratio))
            place.moveCenter(frame.center())
            painter.drawImage(place, self._image)
            painter.restore()
        pen = QPen(QColor(theme.accent), 2) if self.hasFocus() else QPen(QColor(theme.border))
        painter.setPen(pen)
        painter.drawPath(path)

    def _paint_sign(self, painter: QPainter, frame: QRectF) -> None:
        """What stands for an image that is not there; below, where there is room, the name of one
        that cannot be shown."""
        sign = QRectF(0, 0, SIGN, SIGN)
        sign.moveCenter(frame.center())
        metrics = self.fontMetrics()
        text = frame.adjusted(PADDING, 0, -PADDING, 0)
        has_text = self._is_broken and text.width() > SIGN and frame.height() > 2 * HEIGHT
        if has_text:
            sign.moveBottom(frame.center().y() - GRID)
            text.setTop(frame.center().y() + GRID)
            painter.setPen(QColor(self._icons.theme.muted))
            middle = Qt.TextElideMode.ElideMiddle
            lines = (self._name, NOT_SHOWN)
            shown = [metrics.elidedText(line, middle, int(text.width())) for line in lines]
            painter.drawText(text, int(Qt.AlignmentFlag.AlignHCenter), "\n".join(shown))
        self._icons.paint(painter, "image", sign, "muted")

    @Slot()
    def _on_clicked(self) -> None:
        self.opened.emit(self.part)


def shown_size(part: ImagePart, most: QSize) -> QSize:
    """How large an image is shown that may be as large as ``most``, px; a small one is not
    enlarged. Where its size is not known: as high as ``most``, and as wide as high."""
    if part.width <= 0 or part.height <= 0:
        return QSize(most.height(), most.height())
    size = QSize(part.width, part.height)
    if size.width() <= most.width() and size.height() <= most.height():
        return size
    return size.scaled(most, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))
