"""The buttons in the header of a code box: wrap, save, copy. Main thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolButton, QWidget

from minerva_desktop.ui.chat_view.copy_button import ICON, SIZE, CopyButton
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import IconRole, Icons

RADIUS = 6  # px


class _QuietButton(QToolButton):
    """Seen while the pointer is in its box, or the keyboard at it."""

    def __init__(self, icons: Icons, icon: str, label: str, parent: CodeBar) -> None:
        super().__init__(parent)
        self._bar = parent
        self.setIcon(icons.icon(icon, "muted"))
        self.setIconSize(QSize(ICON, ICON))
        self.setFixedSize(SIZE, SIZE)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setAccessibleName(label)
        self.setToolTip(plain_tip(label))

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._bar.is_awake or self.hasFocus():
            super().paintEvent(event)


class CodeBar(QWidget):
    """``wrap_toggled(wraps)``; ``save_clicked``. Copying is done here."""

    wrap_toggled = Signal(bool)
    save_clicked = Signal()

    def __init__(
        self,
        icons: Icons,
        language: str,
        source: Callable[[], str],
        parent: QWidget,
        *,
        can_save: bool,
    ) -> None:
        """``source`` returns the code. ``language`` may be empty."""
        super().__init__(parent)
        self._icons = icons
        self._is_awake = self._is_lifted = False
        code = f"{language} code" if language else "code"
        self.wrap = _QuietButton(icons, "wrap", f"Wrap long lines of {code}", self)
        self.wrap.setCheckable(True)
        self.wrap.setChecked(True)
        self.wrap.toggled.connect(self._on_toggled)
        self.save = _QuietButton(icons, "import", f"Save {code} as…", self)
        self.save.clicked.connect(self.save_clicked)
        self.copy = CopyButton(icons, f"Copy {code}", source, self)
        self.save.setVisible(can_save)
        shown = [self.wrap, self.save, self.copy] if can_save else [self.wrap, self.copy]
        for index, button in enumerate(shown):
            button.move(index * SIZE, 0)
        self.setFixedSize(len(shown) * SIZE, SIZE)
        self._on_toggled(True)

    @property
    def is_awake(self) -> bool:
        """Whether all buttons are seen, not only *Copy*."""
        return self._is_awake

    def wake(self, is_awake: bool) -> None:
        """The pointer came into the box, or left it."""
        if is_awake != self._is_awake:
            self._is_awake = is_awake
            self.update()

    def lift(self, is_lifted: bool) -> None:
        """Whether it lies over code, where its header is out of sight."""
        if is_lifted != self._is_lifted:
            self._is_lifted = is_lifted
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        if not self._is_lifted:
            return
        theme = self._icons.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(theme.border))
        painter.setBrush(QColor(theme.code))
        left = 0 if self._is_awake else self.copy.x()
        seen = QRectF(self.rect()).adjusted(left + 0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(seen, RADIUS, RADIUS)

    def _on_toggled(self, wraps: bool) -> None:
        role: IconRole = "accent" if wraps else "muted"
        self.wrap.setIcon(self._icons.icon("wrap", role))
        self.wrap_toggled.emit(wraps)
