"""A child that stands still is found and ended; one that is merely busy is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.limits import RequestLimits
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine import connection, heartbeat
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.queue_limit import QueueLimit
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.errors import EngineDied, GenerationTimeout, QueueFull

GREEDY = SamplingParameters(temperature=0.0)
HELLO = [ChatTurn(Role.USER, "Write one sentence about the sea.")]
LONG = " sea" * 400
# For a whole prompt, however many cores there are.
ONE_SLOW_STEP = LoadOptions(n_ctx=1024, n_batch=1024, n_threads=1, n_threads_batch=1)

BUSY_CHILD = """
import sys
from minerva_desktop.engine import frames as f, messages as m
info = m.ContextInfo(name="", description="", architecture="", quantisation="", n_ctx=64,
    n_ctx_train=64, n_params=1, n_layers=1, n_gpu_layers=0, n_threads=1, n_parallel=1, n_vocab=1,
    n_embd=1, weights_bytes=1, kv_bytes=1, compute_bytes=1, flash_attention=True,
    has_chat_template=True, load_ms=1.0, capabilities=m.Capabilities())
out = sys.stdout.buffer
while (body := f.read_frame(sys.stdin.buffer)) is not None:
    request = f.decode_request(body)
    if isinstance(request, m.Load):
        out.write(f.encode_frame(m.Loaded(info)))
    if isinstance(request, m.Ping):
        out.write(f.encode_frame(m.Pong(STEP_SECONDS)))
    out.flush()
"""


STOPPING_PARENT = """
import asyncio, os, signal, sys
from pathlib import Path
from minerva_desktop.engine.engine import LlamaEngine
async def main():
    engine = LlamaEngine(Path(sys.argv[1]))
    await engine.load(512)
    os.kill(engine.pid, signal.SIGSTOP)
    print(engine.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
# 8 beats of 0.1 s at least, and on a busy machine some more.
SILENT = r" did not answer for [1-9]\d* s and was ended"


@pytest.fixture(autouse=True)
def fast_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(heartbeat, "MAX_MISSED_AT_START", 60)


def _busy_engine(model_path: Path, *, step_seconds: float, max_waiting: int = 4) -> LlamaEngine:
    """Its child answers pings and nothing else, as one in a step that lasts ``step_seconds``."""
    code = BUSY_CHILD.replace("STEP_SECONDS", str(step_seconds))
    command = [sys.executable, "-c", code]
    return LlamaEngine(
        model_path, command=command, queue=QueueLimit(max_waiting), max_step_seconds=300.0
    )


def _stop(engine: LlamaEngine) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)


def _stop_wholly(pid: int) -> None:
    """Return once it stands: it may go on for a moment, and say how it is."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


async def test_a_child_that_stands_still_while_loading(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    with pytest.raises(EngineDied, match=SILENT):
        await engine.load(1024, on_progress=lambda _: _stop(engine))
    assert not engine.is_loaded()


async def test_one_that_stood_still_before_it_was_wanted_is_not_taken(small_path: Path) -> None:
    """A load stood at 0 % for 8 s and failed, and for two minutes where none had spoken before."""
    spare = SpareChild()
    await spare.prepare()
    child = await spare.take()
    is_up = asyncio.Event()
    child.listen(lambda _sign: is_up.set())
    await is_up.wait()
    await spare.put_back(child)
    _stop_wholly(child.pid)
    engine = LlamaEngine(small_path, spare=spare)
    await engine.load(512)
    assert engine.pid != child.pid
    assert not child.is_running
    assert await engine.generate("Hi", 1).text()
    await engine.unload()


@pytest.mark.parametrize(("prompt", "in_prefill"), [(LONG, True), ("Count: 1 2 3", False)])
async def test_a_child_that_stands_still_while_computing(
    model_path: Path, prompt: str, in_prefill: bool
) -> None:
    deaths: list[EngineDied] = []
    engine = LlamaEngine(model_path, on_death=deaths.append)
    await engine.load(options=LoadOptions(n_ctx=1024, n_batch=64))  # small steps, and many
    stream = engine.generate(prompt, 500, sampling=GREEDY)
    async for batch in stream.batches():
        if batch or in_prefill:
            break
    _stop(engine)
    with pytest.raises(EngineDied, match=SILENT):
        await stream.text()
    assert len(deaths) == 1
    assert not engine.is_loaded()
    await engine.unload()


async def test_a_question_to_a_child_that_stands_still_is_answered_with_its_end(
    small_path: Path,
) -> None:
    engine = LlamaEngine(small_path)
    await engine.load(1024)
    _stop(engine)
    with pytest.raises(EngineDied):
        await engine.count_tokens(HELLO)
    await engine.unload()


async def test_cancelling_on_a_child_that_stands_still_ends_the_stream_and_the_child(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CANCEL_SECONDS", 0.05)
    died = asyncio.Event()
    engine = LlamaEngine(model_path, on_death=lambda _: died.set())
    await engine.load(1024)
    stream = engine.generate("Count: 1 2 3", 900, sampling=GREEDY)
    async for batch in stream.batches():
        if batch:
            break
    _stop(engine)
    stream.cancel()
    assert (await stream.wait_completion()).finish_reason is FinishReason.CANCELLED
    await died.wait()
    await engine.unload()


async def test_a_child_in_a_long_step_is_not_killed_for_a_cancel(
    small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CANCEL_SECONDS", 0.3)
    engine = _busy_engine(small_path, step_seconds=100.0)
    await engine.load()
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.02)
    stream = engine.generate(HELLO, 4)
    stream.cancel()
    assert (await stream.wait_completion()).finish_reason is FinishReason.CANCELLED
    assert engine.is_loaded()
    await engine.unload()


async def test_a_step_that_never_ends_ends_the_child(small_path: Path) -> None:
    deaths: list[EngineDied] = []
    engine = LlamaEngine(
        small_path,
        command=[sys.executable, "-c", BUSY_CHILD.replace("STEP_SECONDS", "301.0")],
        on_death=deaths.append,
        max_step_seconds=300.0,
    )
    await engine.load()
    with pytest.raises(EngineDied, match="was at one step for 301 s and was ended"):
        await engine.generate(HELLO, 4).text()
    assert len(deaths) == 1
    assert not engine.is_loaded()
    await engine.unload()


@pytest.mark.parametrize(
    ("limits", "wait"),
    [
        (RequestLimits(queue_seconds=0.1), "0.1 s in the queue"),
        (RequestLimits(first_token_seconds=0.1, total_seconds=9.0), "0.1 s before its first token"),
        (RequestLimits(total_seconds=0.1), "0.1 s in all"),
    ],
)
async def test_a_limit_passes_though_the_child_is_in_a_step_that_does_not_end(
    small_path: Path, limits: RequestLimits, wait: str
) -> None:
    engine = _busy_engine(small_path, step_seconds=100.0, max_waiting=1)
    await engine.load()
    with pytest.raises(GenerationTimeout) as caught:
        await engine.generate(HELLO, 4, limits=limits).text()
    assert caught.value.message == (
        f"Generation request timed out: it took {wait}, and at most 0.1 s were allowed"
    )
    assert engine.is_loaded()
    # The child still holds it: it counts until it is done with it.
    with pytest.raises(QueueFull, match="1 requests wait already"):
        await engine.generate(HELLO, 4).text()
    await engine.unload()


@pytest.mark.parametrize("queue_seconds", [0.1, None])
async def test_an_embedding_that_is_given_up_counts_until_the_child_is_done_with_it(
    small_path: Path, queue_seconds: float | None
) -> None:
    """Its texts are there as long as a step of others lasts: many of them took all memory."""
    engine = _busy_engine(small_path, step_seconds=100.0, max_waiting=1)
    await engine.load()
    asked = asyncio.create_task(engine.embed(["Hello"], queue_seconds=queue_seconds))
    if queue_seconds is None:
        await asyncio.sleep(0)  # it is sent
        asked.cancel()
    with pytest.raises((GenerationTimeout, asyncio.CancelledError)):
        await asked
    with pytest.raises(QueueFull, match="1 requests wait already"):
        await engine.embed(["Hello"])
    await engine.unload()


async def test_a_limit_does_not_wait_for_the_step_of_another(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    await engine.load(options=msgspec.structs.replace(ONE_SLOW_STEP, n_parallel=1))
    other = engine.generate(" sea" * 150, 1, sampling=GREEDY)
    waiting = engine.generate("Hi", 1, limits=RequestLimits(queue_seconds=0.05))
    with pytest.raises(GenerationTimeout):
        await waiting.text()
    assert other.total_tokens == 0, "its only step is not over"
    assert (await other.wait_completion()).timings.completion_tokens == 1
    assert await engine.generate("Hi", 1, limits=RequestLimits(queue_seconds=30.0)).text()
    await engine.unload()


async def test_a_request_that_was_begun_is_not_in_the_queue(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    await engine.load(options=ONE_SLOW_STEP)
    # One step, longer than the limit of the wait before it.
    stream = engine.generate(" sea" * 200, 1, limits=RequestLimits(queue_seconds=0.25))
    assert (await stream.wait_completion()).timings.prefill_ms > 250.0
    await engine.unload()


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
async def test_a_stopped_child_does_not_outlive_a_parent_that_is_killed(small_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STOPPING_PARENT, str(small_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [child], timeout=20.0)
    for process in alive:
        process.kill()
    assert alive == []
