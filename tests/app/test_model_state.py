"""What the window is told of a pool's events."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from minerva_desktop.app.model_actions import ModelPhase, ModelState, model_fit, model_state
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    LoadPlan,
    ModelGone,
    ModelLoading,
    ModelReady,
    Unloaded,
)
from minerva_desktop.errors import OutOfMemory
from minerva_desktop.library.fit import Fit
from tests.fakes import context_info

A, B = Path("/m/a.gguf"), Path("/m/b.gguf")


def test_a_model_that_is_ready_says_what_went_for_it() -> None:
    info = context_info(weights_bytes=5, n_ctx=512)
    choice = LoadChoice(LoadOptions(), {"CPU": 5}, reasons=("smaller",), warnings=("beware",))
    unloaded = (Unloaded(B, 70),)
    state = model_state(ModelReady(A, info, 1, choice, unloaded))
    assert state == ModelState(
        A, ModelPhase.READY, n_ctx=512, reasons=("smaller", "beware"), unloaded=unloaded
    )
    assert model_state(ModelReady(A, info, 1, choice, is_back=True)).is_back


def test_a_model_that_goes_says_why() -> None:
    assert model_state(ModelLoading(A, 0.5)) == ModelState(A, ModelPhase.LOADING, 0.5)
    assert model_state(ModelGone(A, n_freed=7)) == ModelState(A, ModelPhase.GONE, n_freed=7)
    short = OutOfMemory("a was unloaded: it is short")
    state = model_state(ModelGone(A, short, GoneCause.PRESSURE, n_freed=7))
    assert state == ModelState(A, ModelPhase.GONE, error=short, is_relief=True, n_freed=7)
    lost = model_state(ModelGone(A, short, GoneCause.LOST))
    assert lost == ModelState(A, ModelPhase.GONE, error=short, is_lost=True)


def test_each_way_to_fit_has_words_of_its_own() -> None:
    labels = {}
    for fit in Fit:
        choice = LoadChoice(LoadOptions(n_ctx=8192), {"CPU": 5}, fit.value)
        labels[fit] = model_fit(LoadPlan(A, choice, (), 0, {})).label
    assert len(set(labels.values())) == len(Fit)
    # A full context whose cache is quantised is no smaller context.
    assert labels[Fit.SMALLER_KV] == "Smaller KV cache"
    assert labels[Fit.SMALLER_CONTEXT] == "Smaller context"


def test_more_context_than_usual_is_told_and_is_nothing_that_gave() -> None:
    note = "context of 32,768 tokens instead of 8,192: there is room"
    choice = LoadChoice(LoadOptions(n_ctx=32_768), {"CPU": 5}, notes=(note,))
    fit = model_fit(LoadPlan(A, choice, (), 0, {}))
    assert fit.is_as_wished
    assert fit.detail == f"Takes about 5 bytes with a {note}"
    warning = "context of 32,768 tokens: the model was trained for 8,192"
    warned = replace(choice, notes=(), warnings=(warning,))
    fit = model_fit(LoadPlan(A, warned, (), 0, {}))
    assert fit.detail == f"Takes about 5 bytes with a {warning}"
    assert not fit.is_as_wished
