"""The context that a model which is not loaded can be expected to get. Pure, any thread."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from minerva_desktop.paths import path_text
from minerva_desktop.settings import Settings
from minerva_desktop.ui.model_list import PickerItem

EXPECTED_N_CTX = 4096  # tokens; what is chosen for a model is less only where memory is scarce


def expected_n_ctx(settings: Settings, items: Iterable[PickerItem], path: Path) -> int:
    """In tokens: what a person set, or no more than it gets. ``items``: all models."""
    own = settings.models.get(path_text(path))
    wanted = (None if own is None else own.n_ctx) or settings.n_ctx
    trained = next((item.n_ctx for item in items if item.path == path_text(path)), None)
    return wanted or min(trained or EXPECTED_N_CTX, EXPECTED_N_CTX)
