"""The states of `screenshot.py` that are about memory. Main thread."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

import screenshot_errors
import screenshot_samples as samples
from minerva_desktop.app.loaded_models import LoadedModel
from minerva_desktop.app.memory import MemoryReading
from minerva_desktop.ui.memory_shares import ColourSlots
from screenshot_stage import Stage, State, conversation, empty, narrow


def memory(stage: Stage) -> list[QWidget]:
    """The panel of loaded models is open."""
    conversation(stage)
    used = sum(model.total.total_bytes for model in samples.LOADED)
    return _memory_panel(stage, samples.LOADED, samples.system_memory(used))


def memory_empty(stage: Stage) -> list[QWidget]:
    """The same panel while nothing is loaded."""
    empty(stage)
    return _memory_panel(stage, (), samples.system_memory(0))


def gpus(stage: Stage) -> list[QWidget]:
    """The same panel on a machine with two graphics cards, over which a model is spread."""
    conversation(stage)
    return _memory_panel(stage, samples.LOADED_ON_GPUS, samples.TWO_GPUS)


def narrow_gpus(stage: Stage) -> list[QWidget]:
    """The gauge of such a machine in a window that is 700 px wide."""
    narrow(stage)
    shares = ColourSlots().shares(samples.LOADED_ON_GPUS, samples.TWO_GPUS)
    stage.window.status.set_memory(shares)
    return []


def too_large(stage: Stage) -> list[QWidget]:
    """A model was not loaded: what it needs, and what can be done."""
    conversation(stage)
    screenshot_errors.show_too_large(stage.window)
    return []


def _memory_panel(
    stage: Stage, models: tuple[LoadedModel, ...], reading: MemoryReading
) -> list[QWidget]:
    window = stage.window
    shares = ColourSlots().shares(models, reading)
    window.status.set_memory(shares)
    window.models_panel.set_shares(shares)
    window.status.memory.click()
    return [window.models_panel]


STATES: dict[str, State] = {
    "memory": memory,
    "memory-empty": memory_empty,
    "gpus": gpus,
    "narrow-gpus": narrow_gpus,
    "too-large": too_large,
}
