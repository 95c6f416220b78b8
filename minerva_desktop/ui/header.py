"""The bar over the transcript: model picker, eject, load progress, and the window's buttons.

Built by the main window, which connects its signals. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QToolButton, QWidget

from minerva_desktop.ui.controls import BUTTON_SIZE, ElidedLabel, icon_button, plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_picker import ModelPicker
from minerva_desktop.ui.theme import GRID

HEIGHT = 13 * GRID
BAR_WIDTH = 8 * GRID  # of the load progress, at least
PERCENT_WIDTH = 9 * GRID
OPTIONS_SHORTCUT = "Ctrl+Shift+L"


class LoadIndicator(QWidget):
    """A slim bar, its percentage where there is room, and Cancel; hidden when nothing loads."""

    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bar = QProgressBar()
        self._bar.setObjectName("loadProgress")
        self._bar.setAccessibleName("Loading the model")
        self._bar.setRange(0, 100)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(GRID)
        self._bar.setMinimumWidth(BAR_WIDTH)
        self._bar.setMaximumWidth(48 * GRID)
        self._percent = QLabel()
        self._percent.setProperty("look", "muted")
        self._percent.setFixedWidth(PERCENT_WIDTH)
        self._percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._waiting = ElidedLabel()
        self._waiting.setObjectName("loadWaiting")
        self._waiting.setProperty("look", "muted")
        self._waiting.hide()
        cancel = self._cancel = QPushButton("Cancel")
        cancel.setObjectName("cancelLoadButton")
        cancel.setProperty("look", "ghost")
        cancel.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        cancel.setAccessibleName("Cancel loading the model")
        cancel.setToolTip(plain_tip("Stop loading this model"))
        cancel.clicked.connect(self.cancel_requested)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._bar, 1)
        row.addWidget(self._percent)
        row.addWidget(self._waiting, 1)
        row.addWidget(cancel)
        row.addStretch(0)  # takes what neither the bar nor the words can use
        self.hide()

    def minimumSizeHint(self) -> QSize:
        return QSize(self._least_width(), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_percent()

    def _show_percent(self) -> None:
        has_room = self.width() >= self._least_width() + GRID + PERCENT_WIDTH
        self._percent.setVisible(has_room and self._waiting.isHidden())

    def _least_width(self) -> int:
        return BAR_WIDTH + self._cancel.sizeHint().width() + 2 * GRID

    def show_progress(self, fraction: float) -> None:
        """Show that ``fraction`` (0 to 1) of the model is loaded."""
        percent = round(100 * min(1.0, max(0.0, fraction)))
        self._bar.setValue(percent)
        self._percent.setText(f"{percent} %")
        self._waiting.hide()
        self._bar.show()
        self._show_percent()
        self.show()

    def show_waiting(self, words: str) -> None:
        """Say in ``words`` what the load waits for, in the place of its progress."""
        self._waiting.set_full_text(words)
        self._waiting.setMaximumWidth(self._waiting.sizeHint().width())
        self._waiting.show()
        self._bar.hide()
        self._percent.hide()
        self.show()


class Header(QWidget):
    """``leading`` and ``trailing`` are actions of other parts, shown as buttons at the ends."""

    eject_requested = Signal()
    cancel_requested = Signal()

    def __init__(
        self,
        icons: Icons,
        leading: Sequence[QAction] = (),
        trailing: Sequence[QAction] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        self.picker = ModelPicker(icons)
        self._eject = icon_button(icons, "eject", "Unload the model and free its memory")
        self._eject.setObjectName("ejectButton")
        self._eject.clicked.connect(self.eject_requested)
        self._options = icon_button(
            icons, "chip", "Load options of the model", shortcut=OPTIONS_SHORTCUT
        )
        self._options.setObjectName("modelOptionsButton")
        self._options.setShortcut(OPTIONS_SHORTCUT)
        self._options.clicked.connect(self._ask_for_options)
        self._load = LoadIndicator()
        self._load.cancel_requested.connect(self.cancel_requested)
        row = QHBoxLayout(self)
        row.setContentsMargins(3 * GRID, 0, 3 * GRID, 0)
        row.setSpacing(GRID)
        for action in leading:
            row.addWidget(_action_button(action))
        row.addWidget(self.picker)
        row.addWidget(self._options)
        row.addWidget(self._eject)
        row.addWidget(self._load, 3)
        row.addStretch(1)
        self.last_stop: QWidget = self._eject  # what Tab comes to last in it
        for action in trailing:
            self.last_stop = _action_button(action)
            row.addWidget(self.last_stop)
        self.set_can_eject(False)

    def set_can_configure(self, can_configure: bool) -> None:
        """Offer the load options only while there is a model to load."""
        self._options.setEnabled(can_configure)

    def set_can_eject(self, can_eject: bool) -> None:
        """Offer Eject only while a model is loaded."""
        self._eject.setEnabled(can_eject)

    @Slot()
    def _ask_for_options(self) -> None:
        if self.picker.current is not None:
            self.picker.options_requested.emit(self.picker.current.path)

    def show_progress(self, fraction: float) -> None:
        """Show the load progress, ``fraction`` from 0 to 1, and its Cancel button, in the place of
        Eject."""
        self._eject.hide()
        self._load.show_progress(fraction)

    def show_waiting(self, words: str) -> None:
        """As `show_progress`, for a load that waits; ``words`` say for what."""
        self._eject.hide()
        self._load.show_waiting(words)

    def hide_progress(self) -> None:
        """Nothing loads any more."""
        self._load.hide()
        self._eject.show()


def _action_button(action: QAction) -> QToolButton:
    button = QToolButton()
    button.setDefaultAction(action)
    button.setObjectName(f"{action.objectName()}Button")
    button.setAccessibleName(action.text())
    button.setFixedSize(BUTTON_SIZE, BUTTON_SIZE)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
