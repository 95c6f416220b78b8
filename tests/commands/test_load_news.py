"""The lines of `minerva serve` about models that come and go."""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.commands.load_news import LoadNews
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    ModelGone,
    ModelLoading,
    ModelReady,
)
from minerva_desktop.errors import EngineDied
from tests.fakes import context_info

A = Path("/models/a-00001-of-00002.gguf")
READY = ModelReady(
    A, context_info(weights_bytes=5_000_000, n_ctx=4096), 1, LoadChoice(LoadOptions(), {})
)


def test_what_is_told_of_a_model() -> None:
    said: list[str] = []
    now = [10.0]
    news = LoadNews(said.append, lambda path: f"old/{path.name[0]}", lambda: now[0])
    for seconds, fraction in ((10.0, 0.0), (11.0, 0.0), (12.0, 0.5)):
        now[0] = seconds
        news(ModelLoading(A, fraction))
    now[0] = 12.25
    news(READY)
    news(ModelGone(A, cause=GoneCause.IDLE))
    now[0] = 100.0
    news(ModelLoading(A, 0.0))
    news(ModelGone(A, EngineDied("No"), GoneCause.FAILED))
    now[0] = 200.0
    news(ModelLoading(A, 0.0))
    news(READY)
    assert said == [
        "Loaded old/a in 2.2 s: context of 4,096 tokens, 5.0 MB",
        "Unloaded old/a, which nobody used",
        "Loaded old/a in 0.0 s: context of 4,096 tokens, 5.0 MB",
    ]
