"""When the states of chats are written to disk, and what comes of it where that is broken off."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from tests.engine.kept_chats import COUNT, SAVE_AFTER_SECONDS, Chats, answer


async def test_an_engine_that_ends_at_once_still_saves_its_last_chat(
    chats: Chats, small_path: Path
) -> None:
    engine = await chats.start(small_path)
    first, _ = await answer(engine, COUNT)
    engine = await chats.start(small_path)
    text, done = await answer(engine, COUNT)
    assert done.restored_tokens == done.timings.prompt_tokens - 1
    assert text == first


async def test_nothing_is_written_while_an_answer_runs(chats: Chats, small_path: Path) -> None:
    # Few long answers, and room for all: the chat keeps its slot and its cells.
    engine = await chats.start(small_path, n_ctx=16_384)
    endless = SamplingParameters(ignore_eos=True, max_tokens=400)
    running = engine.generate("Once upon a time", sampling=endless)
    await answer(engine, COUNT)
    saved_if_idle = time.monotonic() + 1.5 * SAVE_AFTER_SECONDS
    while time.monotonic() < saved_if_idle:
        following = engine.generate("Once upon a time", sampling=endless)
        await running.wait_completion()
        running = following  # has begun already, or is waiting: there always is one
    assert chats.files() == []
    running.cancel()
    await chats.saved()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
async def test_a_death_while_saving_leaves_the_state_before(
    chats: Chats, small_path: Path, number: signal.Signals
) -> None:
    engine = await chats.start(small_path)
    first, _ = await answer(engine, COUNT)
    (whole,) = await chats.ended()
    engine = await chats.start(small_path)
    assert engine.pid is not None
    # The child opens what it writes to, and waits there for a reader.
    pipe = whole.with_suffix(f".{engine.pid}.partial")
    os.mkfifo(pipe)
    await answer(engine, f"{COUNT}{first} and so on")
    reader = await asyncio.to_thread(os.open, pipe, os.O_RDONLY)  # returns once it writes
    os.kill(engine.pid, number)
    await chats.died.wait()
    os.close(reader)
    engine = await chats.start(small_path)
    text, done = await answer(engine, COUNT)
    assert (text, done.restored_tokens > 256) == (first, True)


async def test_who_goes_on_at_once_does_not_wait_for_a_save(chats: Chats, small_path: Path) -> None:
    """The time until a save is counted from the end of the last answer, not of the first."""
    engine = await chats.start(small_path)
    saved_if_idle = time.monotonic() + 1.2 * SAVE_AFTER_SECONDS
    while time.monotonic() < saved_if_idle:
        await answer(engine, COUNT)
    await engine.trim()  # what is due is done before the next that is asked for
    assert chats.files() == []
    await chats.saved()


async def test_an_engine_that_ends_during_a_save_finishes_it(
    chats: Chats, generated: Callable[..., Path]
) -> None:
    shape = {"n_layers": 8, "width": 64, "n_heads": 8, "kv_heads": 8, "feed": 128, "head": 256}
    model = generated("llama", **shape, type_name="Q4_1")
    engine = await chats.start(model)
    await answer(engine, COUNT)
    async with asyncio.timeout(20):
        while not list(chats.folder.glob("*/chat-1.*.partial")):
            await asyncio.sleep(0.001)
    await engine.unload()
    assert [file.name for file in chats.files()] == ["chat-1.kv"]
