"""A context between two of llama.cpp's steps is told as it is made, and why."""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.load_choice import choose_load

ROOM = {CPU: 4_000_000_000}


async def test_the_choice_says_what_the_load_will_have(model_path: Path) -> None:
    asked = LoadOptions(n_ctx=600)
    choice = choose_load(model_path, asked, ROOM)
    assert (choice.fit, choice.options.n_ctx, choice.warnings) == ("fits", 768, ())
    assert choice.notes == (
        "context of 768 tokens: 600 were asked for, and it comes in steps of 256",
    )
    engine = LlamaEngine(model_path)
    info = await engine.load(options=asked)  # also of who does not ask here
    await engine.unload()
    assert info.n_ctx == choice.options.n_ctx


def test_a_whole_step_needs_no_words(model_path: Path) -> None:
    assert choose_load(model_path, LoadOptions(n_ctx=768), ROOM).notes == ()
    assert choose_load(model_path, LoadOptions(n_ctx=8192), ROOM).options.n_ctx == 8192
