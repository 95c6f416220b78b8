"""The lines of `minerva serve` about models that come and go."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from minerva_desktop.commands.load_news import LoadNews
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    ModelGone,
    ModelLoading,
    ModelReady,
    Unloaded,
)
from minerva_desktop.errors import AppReplaced, EngineDied, ModelLoadError, ModelNotFound
from tests.fakes import context_info

A = Path("/models/a-00001-of-00002.gguf")
B = Path("/models/old/a-00001-of-00002.gguf")
READY = ModelReady(
    A,
    context_info(weights_bytes=5_000_000, n_ctx=4096),
    1,
    LoadChoice(LoadOptions(), {}),
    seconds=2.25,
)


def test_what_is_told_of_a_model() -> None:
    said: list[str] = []
    news = LoadNews(said.append, {A: "a", B: "old/a"}.__getitem__)
    news(ModelLoading(A, 0.5))
    news(READY)
    news(ModelGone(A, cause=GoneCause.IDLE))
    news(ModelGone(A, AppReplaced("Start it again"), GoneCause.FAILED))
    news(ModelGone(B, ModelNotFound("It is gone"), GoneCause.LOST))
    news(replace(READY, seconds=0.0, unloaded=(Unloaded(B, 7),)))
    assert said == [
        "Loaded a in 2.2 s: context of 4,096 tokens, 5.0 MB",
        "Unloaded a, which nobody used",
        "Start it again",
        "old/a could not be loaded again: It is gone",
        "Loaded a in 0.0 s: context of 4,096 tokens, 5.0 MB",
        "Unloaded old/a for it",
    ]


def test_a_load_that_fails_is_told_unless_the_command_ends_with_it() -> None:
    said: list[str] = []
    news = LoadNews(said.append, {A: "a", B: "old/a"}.__getitem__, at_start=[A])
    failed = ModelGone(A, ModelLoadError("It is damaged"), GoneCause.FAILED)
    news(failed)
    news(replace(failed, path=B))
    assert said == ["old/a could not be loaded: It is damaged"]
    news(READY)
    news(ModelGone(A, EngineDied("It died"), GoneCause.FAILED))  # the log says so
    news(ModelGone(A))
    news(failed)
    assert said[2:] == ["a could not be loaded: It is damaged"]
