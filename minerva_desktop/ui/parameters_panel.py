"""How the model answers: system prompt and sampling, at the right of the window.

The main window fills it for each chat and reads it when ``changed`` says so. Main thread.
"""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.chat.sampling import MAX_SEED, MAX_TOKENS, SamplingParameters
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.long_text import LongTextEdit
from minerva_desktop.ui.number_fields import WholeField
from minerva_desktop.ui.parameter_fields import OptionalField, ParameterField, SliderRange
from minerva_desktop.ui.preset_row import PresetRow
from minerva_desktop.ui.theme import GRID

WIDTH = 288  # px
PROMPT_HEIGHT = 28 * GRID
TOGGLE_SHORTCUT = "Ctrl+Shift+P"


_RANGES = (
    SliderRange(
        "temperature",
        "Temperature",
        "How freely the model chooses: 0 always takes the likeliest word, 1 and more surprises.",
        low=0.0,
        high=5.0,
        slider_high=2.0,
        step=0.05,
        decimals=2,
    ),
    SliderRange(
        "top_k",
        "Top K",
        "Only this many of the likeliest tokens are considered; 0 considers all.",
        low=0.0,
        high=1_000_000.0,
        slider_high=200.0,
        step=1.0,
        decimals=0,
    ),
    SliderRange(
        "top_p",
        "Top P",
        "Only the likeliest tokens that together reach this probability are considered; 1 is off.",
        low=0.0,
        high=1.0,
        slider_high=1.0,
        step=0.01,
        decimals=2,
    ),
    SliderRange(
        "min_p",
        "Min P",
        "Tokens less likely than this share of the likeliest one are left out; 0 is off.",
        low=0.0,
        high=1.0,
        slider_high=1.0,
        step=0.01,
        decimals=2,
    ),
    SliderRange(
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


class ParametersPanel(QWidget):
    """``changed`` is emitted for each edit of the person's, never by `set_values`, which emits
    ``replaced``."""

    changed = Signal()
    replaced = Signal()

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base = SamplingParameters()
        self.setObjectName("parametersPanel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH)
        self.presets = PresetRow(icons)
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
            WholeField(0, MAX_SEED, "Random"),
        )
        self._max_tokens = OptionalField(
            icons,
            "max_tokens",
            "Max tokens",
            "The answer ends after this many tokens; empty lets the model finish.",
            WholeField(1, None, "Until the end"),
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
        self.replaced.emit()

    def apply(self, system_prompt: str, parameters: SamplingParameters) -> None:
        """Set them as the person would."""
        self.set_values(system_prompt, parameters)
        self.changed.emit()

    def values(self) -> tuple[str, SamplingParameters]:
        """The system prompt and the parameters as shown; always within their ranges."""
        numbers = {name: field.value() for name, field in self._fields.items()}
        most = self._max_tokens.value()
        parameters = msgspec.structs.replace(
            self._base,
            **{**numbers, "top_k": round(numbers["top_k"])},
            seed=self._seed.value(),
            max_tokens=None if most is None else min(most, MAX_TOKENS),
        )
        return self._prompt.toPlainText(), parameters

    @Slot()
    def _on_reset_all(self) -> None:
        self.apply(self._prompt.toPlainText(), SamplingParameters())

    def _make_prompt(self) -> QPlainTextEdit:
        prompt = LongTextEdit()
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
        box.addWidget(_heading("Preset"))
        box.addWidget(self.presets)
        box.addSpacing(3 * GRID)
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
