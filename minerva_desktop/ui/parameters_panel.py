"""How the model answers: system prompt and sampling, at the right of the window.

The main window fills it for each chat and reads it when ``changed`` says so. Main thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.chat.sampling import MAX_SEED, SamplingParameters
from minerva_desktop.ui.controls import OptionalIntEdit, icon_button, plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

WIDTH = 288  # px
FIELD_WIDTH = 22 * GRID
PROMPT_HEIGHT = 28 * GRID
MAX_TOKENS = 10_000_000
TOGGLE_SHORTCUT = "Ctrl+Shift+P"


@dataclass(frozen=True, slots=True)
class _Range:
    """One number of `SamplingParameters`: what may be typed, and what the slider covers."""

    field: str
    label: str
    explanation: str
    low: float
    high: float
    slider_high: float
    step: float
    decimals: int


_RANGES = (
    _Range(
        "temperature",
        "Temperature",
        "How freely the model chooses: 0 always takes the likeliest word, 1 and more surprises.",
        low=0.0,
        high=5.0,
        slider_high=2.0,
        step=0.05,
        decimals=2,
    ),
    _Range(
        "top_k",
        "Top K",
        "Only this many of the likeliest tokens are considered; 0 considers all.",
        low=0.0,
        high=1_000_000.0,
        slider_high=200.0,
        step=1.0,
        decimals=0,
    ),
    _Range(
        "top_p",
        "Top P",
        "Only the likeliest tokens that together reach this probability are considered; 1 is off.",
        low=0.0,
        high=1.0,
        slider_high=1.0,
        step=0.01,
        decimals=2,
    ),
    _Range(
        "min_p",
        "Min P",
        "Tokens less likely than this share of the likeliest one are left out; 0 is off.",
        low=0.0,
        high=1.0,
        slider_high=1.0,
        step=0.01,
        decimals=2,
    ),
    _Range(
        "repeat_penalty",
        "Repeat penalty",
        "Above 1 the model avoids words it used a moment ago; 1 is off.",
        low=0.1,
        high=10.0,
        slider_high=2.0,
        step=0.05,
        decimals=2,
    ),
)


class ParameterField(QWidget):
    """Label, number, reset, and a slider under them. ``changed`` is what the person did."""

    changed = Signal()

    def __init__(self, icons: Icons, limits: _Range, default: float) -> None:
        super().__init__()
        self._limits = limits
        self._default = default
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
        """The number shown."""
        return self._spin.value()

    def set_value(self, value: float) -> None:
        """Show ``value`` without emitting ``changed``."""
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
    """Label and a whole number that may be empty. ``changed`` is what the person did."""

    changed = Signal()

    def __init__(
        self, icons: Icons, field: str, label: str, explanation: str, edit: OptionalIntEdit
    ) -> None:
        super().__init__()
        self._edit = edit
        edit.setObjectName(field)
        edit.setAccessibleName(label)
        edit.setAccessibleDescription(explanation)
        edit.setFixedWidth(30 * GRID)
        self._reset = _reset_button(icons, label)
        self.setToolTip(plain_tip(explanation))
        _lay_out_field(self, label, self._reset, edit, None)
        self.set_value(None)
        edit.textEdited.connect(self._on_edited)
        self._reset.clicked.connect(self._on_reset)

    def value(self) -> int | None:
        """The number; None when empty."""
        return self._edit.value()

    def set_value(self, value: int | None) -> None:
        """Show ``value`` without emitting ``changed``."""
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


class ParametersPanel(QWidget):
    """``changed`` is emitted for each edit of the person's, never by `set_values`."""

    changed = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base = SamplingParameters()
        self.setObjectName("parametersPanel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH)
        self._prompt = self._make_prompt()
        self._fields = {
            limits.field: ParameterField(icons, limits, getattr(self._base, limits.field))
            for limits in _RANGES
        }
        self._seed = OptionalField(
            icons,
            "seed",
            "Seed",
            "The same seed and the same settings give the same answer; empty draws a new one.",
            OptionalIntEdit(0, MAX_SEED, "Random"),
        )
        self._max_tokens = OptionalField(
            icons,
            "max_tokens",
            "Max tokens",
            "The answer ends after this many tokens; empty lets the model finish.",
            OptionalIntEdit(1, MAX_TOKENS, "Until the end"),
        )
        self._reset_all = QPushButton("Reset sampling")
        self._reset_all.setObjectName("resetSamplingButton")
        self._reset_all.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._reset_all.setToolTip(plain_tip("Set all of these back to llama.cpp's defaults"))
        self._reset_all.clicked.connect(self._on_reset_all)
        self.toggle_action = self._make_toggle_action(icons)
        self._lay_out()
        self._prompt.textChanged.connect(self.changed)
        for field in self._fields.values():
            field.changed.connect(self.changed)
        self._seed.changed.connect(self.changed)
        self._max_tokens.changed.connect(self.changed)
        self.hide()

    def set_values(self, system_prompt: str, parameters: SamplingParameters) -> None:
        """Show a chat's settings. What the panel has no field for is kept for `values`."""
        self._base = parameters
        if system_prompt != self._prompt.toPlainText():
            self._prompt.blockSignals(True)
            self._prompt.setPlainText(system_prompt)
            self._prompt.blockSignals(False)
        for name, field in self._fields.items():
            field.set_value(getattr(parameters, name))
        self._seed.set_value(parameters.seed)
        self._max_tokens.set_value(parameters.max_tokens)

    def values(self) -> tuple[str, SamplingParameters]:
        """The system prompt and the parameters as shown; always within their ranges."""
        numbers = {name: field.value() for name, field in self._fields.items()}
        parameters = msgspec.structs.replace(
            self._base,
            **{**numbers, "top_k": round(numbers["top_k"])},
            seed=self._seed.value(),
            max_tokens=self._max_tokens.value(),
        )
        return self._prompt.toPlainText(), parameters

    @Slot()
    def _on_reset_all(self) -> None:
        self.set_values(self._prompt.toPlainText(), SamplingParameters())
        self.changed.emit()

    def _make_prompt(self) -> QPlainTextEdit:
        prompt = QPlainTextEdit()
        prompt.setObjectName("systemPrompt")
        prompt.setAccessibleName("System prompt")
        prompt.setPlaceholderText("You are a helpful assistant.")
        prompt.setToolTip(plain_tip("Told to the model before the chat: who it is, how it answers"))
        prompt.setTabChangesFocus(True)
        prompt.setFixedHeight(PROMPT_HEIGHT)
        return prompt

    def _make_toggle_action(self, icons: Icons) -> QAction:
        action = QAction(icons.icon("sliders", "muted"), "Parameters", self)
        action.setObjectName("parametersAction")
        action.setCheckable(True)
        action.setShortcut(TOGGLE_SHORTCUT)
        action.setToolTip(plain_tip("System prompt and sampling", TOGGLE_SHORTCUT))
        action.toggled.connect(self.setVisible)
        return action

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("parametersBody")
        box = QVBoxLayout(body)
        box.setContentsMargins(4 * GRID, 4 * GRID, 4 * GRID, 4 * GRID)
        box.setSpacing(2 * GRID)
        box.addWidget(_heading("System prompt"))
        box.addWidget(self._prompt)
        box.addSpacing(3 * GRID)
        box.addWidget(_heading("Sampling"))
        for field in (*self._fields.values(), self._seed, self._max_tokens):
            box.addWidget(field)
        box.addSpacing(GRID)
        box.addWidget(self._reset_all)
        box.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName("parametersScroll")
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 0, 0, 0)
        outer.addWidget(scroll)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("look", "heading")
    return label


def _reset_button(icons: Icons, label: str) -> QToolButton:
    button = icon_button(icons, "reset", f"Reset {label} to its default", size=6 * GRID)
    policy = button.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    button.setSizePolicy(policy)
    return button


def _show_reset(button: QToolButton, shown: bool) -> None:
    button.setVisible(shown)


def _lay_out_field(
    owner: QWidget, label: str, reset: QToolButton, field: QWidget, slider: QSlider | None
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
    if slider is not None:
        box.addWidget(slider)
