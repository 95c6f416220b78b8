"""The fields of the parameters panel: a number with its slider, and one that may be empty. Main
thread.
"""

from __future__ import annotations

import msgspec
from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.ui.controls import icon_button, plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.number_fields import WholeField
from minerva_desktop.ui.theme import GRID

FIELD_WIDTH = 22 * GRID
OPTIONAL_WIDTH = 30 * GRID


class SliderRange(msgspec.Struct, frozen=True):
    """One number of `SamplingParameters`: what may be typed, and what the slider covers."""

    field: str
    label: str
    explanation: str
    low: float
    high: float
    slider_high: float
    step: float
    decimals: int


class ParameterField(QWidget):
    """Label, number, reset, and a slider under them. ``changed`` is what the person did."""

    changed = Signal()

    def __init__(self, icons: Icons, limits: SliderRange, default: float) -> None:
        super().__init__()
        self._limits = limits
        self._default = self._exact = default
        self._spin = QDoubleSpinBox()
        self._spin.setObjectName(limits.field)
        self._spin.setDecimals(limits.decimals)
        self._spin.setRange(limits.low, limits.high)
        self._spin.setSingleStep(limits.step)
        self._spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        # The style sheet hides the arrows; with NoButtons Qt would give the text one pixel.
        self._spin.lineEdit().setTextMargins(2 * GRID, 0, 2 * GRID, 0)
        self._spin.setFixedWidth(FIELD_WIDTH)
        self._spin.setAccessibleName(limits.label)
        self._spin.setAccessibleDescription(limits.explanation)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName(f"{limits.field}Slider")
        self._slider.setAccessibleName(f"{limits.label} slider")
        self._slider.setRange(0, round((limits.slider_high - limits.low) / limits.step))
        for control in (self._spin, self._slider):
            control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            control.installEventFilter(self)
        self._reset = _reset_button(icons, limits.label)
        self.setToolTip(plain_tip(f"{limits.explanation} Default: {default:g}"))
        _lay_out_field(self, limits.label, self._reset, self._spin, self._slider)
        self.set_value(default)
        self._spin.valueChanged.connect(self._on_spin)
        self._slider.valueChanged.connect(self._on_slider)
        self._reset.clicked.connect(self._on_reset)

    def value(self) -> float:
        """The number shown, with the digits that it was given with."""
        return self._exact

    def set_value(self, value: float) -> None:
        """Show ``value`` without emitting ``changed``."""
        self._exact = value
        self._spin.blockSignals(True)
        self._spin.setValue(value)
        self._spin.blockSignals(False)
        self._follow()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not self._has_focus(watched):
            event.ignore()  # scrolling past must not change a number
            return True
        return super().eventFilter(watched, event)

    def _has_focus(self, control: QObject) -> bool:
        return isinstance(control, QWidget) and control.hasFocus()

    @Slot()
    def _on_spin(self) -> None:
        self._exact = self._spin.value()
        self._follow()
        self.changed.emit()

    @Slot(int)
    def _on_slider(self, steps: int) -> None:
        self._spin.setValue(self._limits.low + steps * self._limits.step)

    @Slot()
    def _on_reset(self) -> None:
        self._spin.setValue(self._default)

    def _follow(self) -> None:
        """Move the slider to the number; it stays at its end for a number beyond."""
        self._slider.blockSignals(True)
        self._slider.setValue(round((self.value() - self._limits.low) / self._limits.step))
        self._slider.blockSignals(False)
        _show_reset(self._reset, abs(self.value() - self._default) > self._limits.step / 2)


class OptionalField(QWidget):
    """Label and a whole number that may be empty. ``changed`` is what the person did. What is no
    number of the range is not used, and a line below says so."""

    changed = Signal()

    def __init__(
        self, icons: Icons, field: str, label: str, explanation: str, edit: WholeField
    ) -> None:
        super().__init__()
        self._edit = edit
        edit.setObjectName(field)
        edit.setAccessibleName(label)
        edit.explain(explanation)
        edit.setFixedWidth(OPTIONAL_WIDTH)
        self._reset = _reset_button(icons, label)
        self.setToolTip(plain_tip(f"{explanation} {edit.range_text}."))
        self._problem = QLabel()
        self._problem.setObjectName("fieldHint")
        self._problem.setProperty("look", "muted")
        self._problem.setProperty("state", "failed")
        self._problem.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._problem.setWordWrap(True)
        self._problem.hide()
        _lay_out_field(self, label, self._reset, edit, self._problem)
        self.set_value(None)
        edit.problem_changed.connect(self._on_problem)
        edit.textEdited.connect(self._on_edited)
        self._reset.clicked.connect(self._on_reset)

    def value(self) -> int | None:
        """The number; None when it is empty, or none of the range."""
        return self._edit.value() if self._edit.check() else None

    def set_value(self, value: int | None) -> None:
        """Show ``value`` without emitting ``changed``; a number that stands there stays as it was
        written."""
        if value is None or self._edit.problem or self.value() != value:
            self._edit.set_value(value)
        _show_reset(self._reset, value is not None)

    @Slot()
    def _on_edited(self) -> None:
        _show_reset(self._reset, bool(self._edit.text()))
        self.changed.emit()

    @Slot()
    def _on_reset(self) -> None:
        self.set_value(None)
        self.changed.emit()

    @Slot(str)
    def _on_problem(self, problem: str) -> None:
        self._problem.setText(f"Not used: it takes {problem}" if problem else "")
        self._problem.setVisible(bool(problem))


def _reset_button(icons: Icons, label: str) -> QToolButton:
    button = icon_button(icons, "reset", f"Reset {label} to its default", size=6 * GRID)
    policy = button.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    button.setSizePolicy(policy)
    return button


def _show_reset(button: QToolButton, shown: bool) -> None:
    button.setVisible(shown)


def _lay_out_field(
    owner: QWidget, label: str, reset: QToolButton, field: QWidget, below: QWidget
) -> None:
    caption = QLabel(label)
    caption.setBuddy(field)
    row = QHBoxLayout()
    row.setSpacing(GRID)
    row.addWidget(caption, 1)
    row.addWidget(reset)
    row.addWidget(field)
    box = QVBoxLayout(owner)
    box.setContentsMargins(0, 0, 0, GRID)
    box.setSpacing(GRID)
    box.addLayout(row)
    box.addWidget(below)
