"""Positions in a model's load options: how they are stretched to more than it was trained for.

Used by `model_options_dialog`. Main thread.
"""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from minerva_desktop.load_limits import (
    MAX_N_CTX,
    MAX_ROPE_BASE,
    MAX_ROPE_SCALE,
    MAX_YARN_BETA,
    MAX_YARN_FACTOR,
    MIN_ROPE_SCALE,
)
from minerva_desktop.settings import ModelOverrides
from minerva_desktop.ui.forms import (
    Form,
    ScrolledPage,
    SegmentedChoice,
    decimal_field,
    number_field,
)
from minerva_desktop.ui.number_fields import NumberField
from minerva_desktop.ui.theme import GRID

_OWN = ""
NONE, LINEAR, YARN = "none", "linear", "yarn"
SCALINGS = ((_OWN, "From the model"), (NONE, "None"), (LINEAR, "Linear"), (YARN, "YaRN"))
FROM_MODEL = "From the model"
WORKED_OUT = "Automatic"
ABOUT = (
    "Lets a model take a longer context than it was trained for, once its context size is set to"
    " that. Most need nothing here: what is right for a model stands in its file, or in its"
    " description."
)


class RopePage(QWidget):
    """``changed`` is what the person did. Fields that a chosen scaling leaves without effect cannot
    be used, and count as empty: llama.cpp would leave them aside."""

    changed = Signal()

    def __init__(self, overrides: ModelOverrides) -> None:
        super().__init__()
        kinds = {value for value, _ in SCALINGS}
        given = overrides.rope_scaling or _OWN
        self._scaling = SegmentedChoice(
            "ropeScaling", "RoPE scaling", SCALINGS, given if given in kinds else _OWN
        )
        self._scale = decimal_field(
            "ropeScale", "Stretch factor", overrides.rope_scale, MIN_ROPE_SCALE, MAX_ROPE_SCALE,
            FROM_MODEL,
        )  # fmt: skip
        self._base = number_field(
            "ropeFreqBase", "Base frequency", overrides.rope_freq_base, 1, MAX_ROPE_BASE, FROM_MODEL
        )
        self._trained = number_field(
            "yarnOrigCtx", "YaRN, original context in tokens", overrides.yarn_orig_ctx, 1,
            MAX_N_CTX, FROM_MODEL,
        )  # fmt: skip
        self._mix = decimal_field(
            "yarnExtFactor", "YaRN, extrapolation", overrides.yarn_ext_factor, 0, MAX_YARN_FACTOR,
            WORKED_OUT,
        )  # fmt: skip
        self._attention = decimal_field(
            "yarnAttnFactor", "Attention factor", overrides.yarn_attn_factor, 0, MAX_YARN_FACTOR,
            WORKED_OUT,
        )  # fmt: skip
        self._fast = decimal_field(
            "yarnBetaFast", "YaRN, fast beta", overrides.yarn_beta_fast, 0, MAX_YARN_BETA,
            FROM_MODEL,
        )  # fmt: skip
        self._slow = decimal_field(
            "yarnBetaSlow", "YaRN, slow beta", overrides.yarn_beta_slow, 0, MAX_YARN_BETA,
            FROM_MODEL,
        )  # fmt: skip
        self._lay_out()
        self._offer()
        self._scaling.chosen.connect(self._on_scaling)
        for field in self._all_fields():
            field.textChanged.connect(self.changed)

    @property
    def fields(self) -> tuple[NumberField, ...]:
        """Those that can be used now."""
        return tuple(field for field in self._all_fields() if field.isEnabled())

    @property
    def lacks_factor(self) -> bool:
        """Whether a kind of scaling is chosen, and no factor is typed yet."""
        return self._scaling.value() in (LINEAR, YARN) and not self._scale.text().strip()

    def ask_for_factor(self) -> None:
        """Let the person type it."""
        self._go_to(self._scale)

    def show_option(self, param: str) -> None:
        """Let the person change the field of `LoadOptions` that ``param`` names; nothing for one
        that has no number here."""
        fields = {
            "freq_scale": self._scale,
            "freq_base": self._base,
            "yarn_attn_factor": self._attention,
            "yarn_orig_ctx": self._trained,
            "yarn_ext_factor": self._mix,
            "yarn_beta_fast": self._fast,
            "yarn_beta_slow": self._slow,
        }
        field = fields.get(param.removeprefix("rope."))
        if field is not None:
            self._go_to(field)

    def _go_to(self, field: NumberField) -> None:
        field.setFocus(Qt.FocusReason.OtherFocusReason)
        self.reveal(field)

    def reveal(self, field: NumberField) -> None:
        """Scroll to it; nothing for one of another page."""
        self._scrolled.ensureWidgetVisible(field)

    def put_into(self, overrides: ModelOverrides) -> ModelOverrides:
        """``overrides`` with what the page shows. Raises `ValueError` for a number that is out of
        its range."""
        return msgspec.structs.replace(
            overrides,
            rope_scaling=self._scaling.value() or None,
            rope_scale=self._scale.value() if self._scale.isEnabled() else None,
            rope_freq_base=self._base.value(),
            yarn_orig_ctx=self._trained.value() if self._trained.isEnabled() else None,
            yarn_ext_factor=self._mix.value() if self._mix.isEnabled() else None,
            yarn_attn_factor=self._attention.value() if self._attention.isEnabled() else None,
            yarn_beta_fast=self._fast.value() if self._fast.isEnabled() else None,
            yarn_beta_slow=self._slow.value() if self._slow.isEnabled() else None,
        )

    def reset(self) -> None:
        """Leave everything to the model, without a ``changed`` for what is chosen."""
        self._scaling.set_value(_OWN)
        for field in self._all_fields():
            field.setText("")
        self._offer()

    def _all_fields(self) -> tuple[NumberField, ...]:
        yarn = (self._trained, self._mix, self._fast, self._slow)
        return (self._scale, self._base, self._attention, *yarn)

    @Slot()
    def _on_scaling(self) -> None:
        self._offer()
        self.changed.emit()

    def _offer(self) -> None:
        """What the model's own scaling has an effect on is only known once it is loaded."""
        scaling = self._scaling.value()
        self._scale.setEnabled(scaling != NONE)
        self._attention.setEnabled(scaling != YARN)
        for field in (self._trained, self._mix, self._fast, self._slow):
            field.setEnabled(scaling in (_OWN, YARN))

    def _lay_out(self) -> None:
        about = QLabel(ABOUT)
        about.setProperty("look", "muted")
        about.setWordWrap(True)
        form = Form()
        form.add_row("RoPE scaling", self._scaling)
        form.add_row("Stretch factor", self._scale, "4: four times as long")
        form.add_row("Base frequency", self._base, "10,000 in many models")
        form.add_row("Attention factor", self._attention, "YaRN has its own")
        form.add_section("YaRN")
        form.add_row("Original context", self._trained, "tokens it was trained for")
        form.add_row("Extrapolation", self._mix, "0 interpolates all")
        form.add_row("Fast beta", self._fast, "above it none is interpolated")
        form.add_row("Slow beta", self._slow, "below it all is interpolated")
        rows = QVBoxLayout()
        rows.setSpacing(4 * GRID)
        rows.addWidget(about)
        rows.addLayout(form)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        self._scrolled = ScrolledPage(rows)
        box.addWidget(self._scrolled)
