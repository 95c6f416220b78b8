"""Small controls that several parts of the window share.

A switch, a label that elides, and the ways to make icon buttons, menus and tool tips alike
everywhere. Main thread.
"""

from __future__ import annotations

import html
import math
import re

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QRegion,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOption,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.ui.icons import IconRole, Icons, PaintedIconEngine
from minerva_desktop.ui.theme import GRID, ThemeSource

ICON_SIZE = 20  # px
MENU_WIDTH = 176  # px
MENU_RADIUS = 8  # px, as in the style sheet
POPUP_RADIUS = 12  # px, as there
X11 = "xcb"  # Qt's name for it
BUTTON_SIZE = 32  # px; side of an icon button
TIP_WIDTH = 360  # px, of one whose lines are broken
LONG_WORD = 40  # characters, after which one is broken there
TIP_LINE = 80  # characters; longer lines of a tool tip are broken
ICON_GAP = 4  # px, beside the 4 that Qt leaves between a button's icon and its text


def plain_tip(text: str, shortcut: str = "") -> str:
    """A tool tip of literally ``text``, with the shortcut as this platform writes it.

    Qt would render a tool tip that looks like HTML, and load images from it: file names and error
    texts must never get there unescaped. Of a widget without an accessible description, screen
    readers say the tool tip, with its signs: it is HTML only where it has to be, for those and for
    its lines to be broken.
    """
    if shortcut:
        text = f"{text} ({QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)})"
    is_short = max(map(len, text.split("\n"))) <= TIP_LINE
    if is_short and not re.search("[<&]", text):
        return text
    if not is_short:
        text = re.sub(rf"\S{{{LONG_WORD}}}", "\\g<0>\u200b", text)
    markup = html.escape(text).replace("\n", "<br>")
    if is_short:  # Qt would break it into a block of four lines
        return f"<qt><p style='white-space:pre'>{markup}</p></qt>"
    return f"<qt><table width={TIP_WIDTH}><tr><td>{markup}</td></tr></table></qt>"


def icon_button(
    icons: Icons,
    name: str,
    label: str,
    *,
    shortcut: str = "",
    role: IconRole = "muted",
    size: int = BUTTON_SIZE,
) -> QToolButton:
    """A flat square button of ``size`` px. ``label`` is its accessible name and tool tip; the
    shortcut is only named, whoever owns the action binds it."""
    button = QToolButton()
    button.setIcon(icons.icon(name, role))
    button.setIconSize(QSize(ICON_SIZE, ICON_SIZE) if size >= BUTTON_SIZE else QSize(16, 16))
    button.setFixedSize(size, size)
    # Focus by keyboard only, so that a ring never stays behind after a click.
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setAccessibleName(label)
    button.setToolTip(plain_tip(label, shortcut))
    return button


def set_sign(button: QPushButton, icon: QIcon, size: int) -> None:
    """Put ``icon``, ``size`` px high and wide, before the button's text, with a gap that Qt's own
    buttons lack."""
    button.setIcon(QIcon(_GapEngine(icon)))
    button.setIconSize(QSize(size + ICON_GAP, size))


class _GapEngine(PaintedIconEngine):
    """Leaves `ICON_GAP` free to the right of an icon."""

    def __init__(self, icon: QIcon) -> None:
        super().__init__()
        self._icon = icon

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        place = QRect(rect.left(), rect.top(), rect.height(), rect.height())
        self._icon.paint(painter, place, Qt.AlignmentFlag.AlignCenter, mode, state)

    def clone(self) -> QIconEngine:
        return _GapEngine(self._icon)


def round_corners(popup: QWidget, radius: int) -> None:
    """Cut the corners of a translucent ``popup`` off on X11, which may lack a compositor, and does
    not tell: they would be black. Elsewhere they are smooth without that. Call it on each resize,
    and `paint_popup` first on each paint.

    Row by row: a region made of a path is not the same at all four corners.
    """
    if QGuiApplication.platformName() != X11:
        return
    width, height = popup.width(), popup.height()
    region = QRegion(0, radius, width, height - 2 * radius)
    for row in range(radius):
        inset = round(radius - math.sqrt(radius**2 - (radius - row - 0.5) ** 2))
        for top in (row, height - 1 - row):
            region += QRegion(inset, top, width - 2 * inset, 1)
    popup.setMask(region)


def paint_popup(popup: QWidget) -> None:
    """The ground of a popup whose corners are cut off: in the border's colour, so that what its
    rounded border leaves half covered is not black."""
    if not popup.mask().isEmpty():
        painter = QPainter(popup)
        painter.fillRect(popup.rect(), popup.palette().color(QPalette.ColorRole.Mid))


class PopupFrame(QFrame):
    """A popup window with rounded corners, as the style sheet has them for its object name."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        round_corners(self, POPUP_RADIUS)

    def paintEvent(self, _event: QPaintEvent) -> None:
        paint_popup(self)
        # Qt itself leaves the background of a translucent window unpainted.
        option = QStyleOption()
        option.initFrom(self)
        painter = QPainter(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_Widget, option, painter, self)


class PanelPopup(PopupFrame):
    """A popup of a fixed width over the widget that opens it, as high as what stands in ``box``."""

    def __init__(self, width: int, parent: QWidget) -> None:
        """``width`` in px."""
        super().__init__(parent)
        self._anchor: QWidget | None = None
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFixedWidth(width)
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(4 * GRID, 4 * GRID, 4 * GRID, 4 * GRID)
        self.box.setSpacing(3 * GRID)

    def open_above(self, anchor: QWidget) -> None:
        """Show the panel over ``anchor``, and keep it there as it grows."""
        self._anchor = anchor
        self.fit()
        self.show()
        self.fit()  # with the fonts that the style sheet gave it by now
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def fit(self) -> None:
        """Be as high as the content is, and within the screen above the anchor."""
        self.box.activate()
        height = self.box.totalHeightForWidth(self.width())
        self.setFixedHeight(height if height > 0 else self.box.totalSizeHint().height())
        if self._anchor is None:
            return
        corner = self._anchor.mapToGlobal(QPoint(0, -GRID - self.height()))
        screen = self._anchor.screen().availableGeometry()
        left = max(screen.left(), min(corner.x(), screen.right() - self.width()))
        self.move(left, max(screen.top(), corner.y()))


class PopupMenu(QMenu):
    """A menu with rounded corners that deletes itself when it closes. A letter goes to the next
    entry that begins with it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(MENU_WIDTH)
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.setWindowFlag(Qt.WindowType.NoDropShadowWindowHint)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        letter = event.text().casefold()
        entries = [each for each in self.actions() if each.isEnabled() and not each.isSeparator()]
        fitting = [each for each in entries if letter and each.text().casefold().startswith(letter)]
        if not fitting or letter.isspace():
            super().keyPressEvent(event)
            return
        active = self.activeAction()
        after = fitting.index(active) + 1 if active in fitting else 0
        self.setActiveAction(fitting[after % len(fitting)])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        round_corners(self, MENU_RADIUS)

    def paintEvent(self, event: QPaintEvent) -> None:
        paint_popup(self)
        super().paintEvent(event)


class Switch(QAbstractButton):
    """An on/off switch with its text to the right.

    ``clicked(bool)`` is emitted for what the person did, ``toggled(bool)`` for every change.
    """

    TRACK = QSize(28, 16)

    def __init__(self, text: str, themes: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._themes = themes
        self.setCheckable(True)
        self.setText(text)
        self.setAccessibleName(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        text_width = self.fontMetrics().horizontalAdvance(self.text())
        gap = 2 * GRID if self.text() else 0
        height = max(self.TRACK.height(), self.fontMetrics().height()) + 2 * GRID
        return QSize(self.TRACK.width() + gap + text_width + GRID, height)

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._themes.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(1.0 if self.isEnabled() else 0.5)
        top = (self.height() - self.TRACK.height()) / 2
        track = QRectF(0, top, self.TRACK.width(), self.TRACK.height())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.accent if self.isChecked() else theme.muted))
        painter.drawRoundedRect(track, track.height() / 2, track.height() / 2)
        if self.hasFocus():  # within the track, which stands in line with what is above it
            painter.setPen(QPen(QColor(theme.text), 1.5))
            painter.drawRoundedRect(track.adjusted(0.75, 0.75, -0.75, -0.75), 7.25, 7.25)
            painter.setPen(Qt.PenStyle.NoPen)
        knob = track.height() - 4
        left = track.right() - knob - 2 if self.isChecked() else track.left() + 2
        painter.setBrush(QColor(theme.on_accent if self.isChecked() else theme.surface))
        painter.drawEllipse(QRectF(left, track.top() + 2, knob, knob))
        painter.setPen(QColor(theme.text))
        text_left = track.right() + 2 * GRID
        text_rect = QRectF(text_left, 0, self.width() - text_left, self.height())
        painter.drawText(text_rect, int(Qt.AlignmentFlag.AlignVCenter), self.text())


class ElidedLabel(QLabel):
    """One line of plain text that ends in … where it does not fit; the tool tip has all of it.
    Where it has parts with ``separator`` between them, as many of them as fit are shown whole."""

    def __init__(
        self, text: str = "", parent: QWidget | None = None, *, separator: str = ""
    ) -> None:
        super().__init__(parent)
        self._full = ""
        self._separator = separator
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.set_full_text(text)

    def set_full_text(self, text: str) -> None:
        """Show ``text``, as much of it as fits."""
        self._full = " ".join(text.split())
        self.setAccessibleName(self._full)
        self._elide()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        margins = self.contentsMargins()
        width = self.fontMetrics().horizontalAdvance(self._full) + margins.left() + margins.right()
        return QSize(width + 1, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(min(self.sizeHint().width(), 8 * GRID), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        width, metrics = self.contentsRect().width(), self.fontMetrics()
        shown = self._full
        while self._separator and self._separator in shown:
            if metrics.horizontalAdvance(shown) <= width:
                break
            shown = shown.rpartition(self._separator)[0]
        elided = metrics.elidedText(shown, Qt.TextElideMode.ElideRight, width)
        self.setText(elided)
        self.setToolTip(plain_tip(self._full) if elided != self._full else "")
