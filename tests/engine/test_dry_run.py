"""Asking a child what a load would take: it loads nothing, and what kills it kills only it."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from minerva_desktop.engine.device_query import list_devices
from minerva_desktop.engine.dry_run import dry_run, try_load
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import FlashAttention, KvType, LoadOptions, RopeOptions
from minerva_desktop.engine.memory_messages import DryRun, TryLoad
from minerva_desktop.engine.messages import DryRunDone, Event, Load, Loaded
from minerva_desktop.engine.process import ChildProcess, child_command
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.errors import InvalidRequest, ModelLoadError
from minerva_desktop.library.gguf import read_header

PATIENCE = 60.0  # seconds, beside other programs
MB = 10**6


def _token(text: str) -> bytes:
    """As the list of tokens has it."""
    return struct.pack("<Q", len(text.encode())) + text.encode()


@pytest.fixture
async def spare() -> AsyncIterator[SpareChild]:
    spare = SpareChild()
    yield spare
    await spare.close()


async def test_no_weights_are_read_and_nothing_is_kept(gemma_path: Path, spare: SpareChild) -> None:
    await list_devices(spare)
    pid = spare.pid
    assert pid is not None
    child = psutil.Process(pid)
    read, resident = child.io_counters().read_chars, child.memory_info().rss
    # A cache of 3 GB is nothing that this machine would be asked for.
    (found,) = await dry_run(spare, gemma_path, LoadOptions(), [1_048_576], PATIENCE)
    assert found.kv_bytes > 3_000 * MB
    assert found.compute["CPU"] > 1_000 * MB  # masks for a million cells
    assert spare.pid == pid  # it waits for a load, as before
    assert child.io_counters().read_chars - read < 8 * MB  # of 253
    assert child.memory_info().rss - resident < 16 * MB
    engine = LlamaEngine(gemma_path, spare=spare)
    info = await engine.load(512)
    assert (engine.pid, info.n_ctx) == (pid, 512)
    await engine.unload()


async def test_a_file_that_kills_llama_cpp_kills_that_child_only(
    model_path: Path, tmp_path: Path, spare: SpareChild, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = tmp_path / "hostile.gguf"
    # A token that is there twice: llama.cpp asserts that there is none.
    content = model_path.read_bytes()
    hostile.write_bytes(content.replace(_token("Ġand"), _token("Ġthe"), 1))
    assert read_header(hostile).n_vocab == 49_152  # nothing that our reader could see
    await list_devices(spare)
    pid = spare.pid
    assert pid is not None
    assert await dry_run(spare, hostile, LoadOptions(), [512], PATIENCE) == ()
    assert not psutil.pid_exists(pid)
    assert "hostile.gguf is estimated without a dry run" in caplog.text
    (warning,) = (each for each in caplog.records if each.levelname == "WARNING")
    assert "\n" not in warning.message
    assert "SIGABRT" in caplog.text or sys.platform != "linux"
    with pytest.raises(ModelLoadError, match="does not load: the process that tried it died"):
        await try_load(spare, hostile, LoadOptions(), PATIENCE)
    assert len(await dry_run(spare, model_path, LoadOptions(), [512], PATIENCE)) == 1


async def test_a_file_that_llama_cpp_refuses_is_refused(
    small_path: Path, tmp_path: Path, spare: SpareChild, caplog: pytest.LogCaptureFixture
) -> None:
    """Before others go for it; the picker of the window tells it, too."""
    content, bad = small_path.read_bytes(), tmp_path / "bad.gguf"
    at = content.index(b"smollm", content.index(b"tokenizer.ggml.pre"))
    bad.write_bytes(content[:at] + b"nobody" + content[at + 6 :])
    with pytest.raises(ModelLoadError, match="unknown pre-tokenizer type: 'nobody'"):
        await dry_run(spare, bad, LoadOptions(), [512], PATIENCE)
    assert caplog.text == ""
    assert spare.pid is None


async def test_options_that_the_model_cannot_honour_are_refused_by_it(
    generated: Callable[..., Path],
    small_path: Path,
    spare: SpareChild,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Before others go for a load in vain; the load options in the window tell it, too."""
    odd = generated("llama", head=80)
    caplog.clear()  # of what its writer told
    q8 = LoadOptions(kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0)
    with pytest.raises(InvalidRequest, match="a multiple of 32 numbers; those of this model have"):
        await dry_run(spare, odd, q8, [512], PATIENCE)
    fast = LoadOptions(rope=RopeOptions(yarn_beta_fast=9.0))
    with pytest.raises(InvalidRequest, match="YaRN's fast beta would have no effect"):
        await dry_run(spare, small_path, fast, [512], PATIENCE)
    assert caplog.text == ""
    assert len(await dry_run(spare, small_path, LoadOptions(), [512], PATIENCE)) == 1


async def test_who_does_not_answer_is_given_up(
    model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = SpareChild((sys.executable, "-c", "import time; time.sleep(60)"))
    assert await dry_run(deaf, model_path, LoadOptions(), [512], 0.05) == ()
    assert "did not answer for 0 s" in caplog.text
    assert deaf.pid is None
    missing = SpareChild(("/no/such/program",))
    assert await dry_run(missing, model_path, LoadOptions(), [512]) == ()


async def test_flash_attention_is_as_wanted(model_path: Path, spare: SpareChild) -> None:
    for wanted, used in (
        (FlashAttention.AUTO, True),
        (FlashAttention.ON, True),
        (FlashAttention.OFF, False),
    ):
        options = LoadOptions(flash_attention=wanted)
        (found,) = await dry_run(spare, model_path, options, [512], PATIENCE)
        assert found.flash_attention is used


async def test_a_child_that_has_a_model_does_not_pretend(model_path: Path) -> None:
    child = await ChildProcess.start(child_command())
    heard: list[Event] = []
    answered = asyncio.Event()

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, DryRunDone):
            answered.set()

    child.listen(hear)
    child.send(Load(bytes(model_path), LoadOptions(n_ctx=512)))
    child.send(DryRun(bytes(model_path), LoadOptions(), (512,)))
    await asyncio.wait_for(answered.wait(), PATIENCE)
    assert any(isinstance(event, Loaded) for event in heard)
    (answer,) = [event for event in heard if isinstance(event, DryRunDone)]
    assert answer.error is not None
    assert answer.contexts == ()
    await child.close()


async def test_a_load_that_cannot_be_tried_is_no_load_that_fails(
    model_path: Path, spare: SpareChild
) -> None:
    deaf = SpareChild((sys.executable, "-c", "import time; time.sleep(60)"))
    (warning,) = await try_load(deaf, model_path, LoadOptions(), 0.05)
    assert warning.startswith("whether it loads is not known: the process that tried it did not an")
    missing = SpareChild(("/no/such/program",))
    (warning,) = await try_load(missing, model_path, LoadOptions(), PATIENCE)
    assert "the engine process could not be started" in warning
    assert await try_load(spare, model_path, LoadOptions(n_ctx=512), PATIENCE) == ()


async def test_what_is_tried_is_not_kept(gemma_path: Path, spare: SpareChild) -> None:
    """Nor are its weights read, or its cache of 3 GB made."""
    await list_devices(spare)
    assert spare.pid is not None
    child = psutil.Process(spare.pid)
    answer: asyncio.Future[DryRunDone] = asyncio.get_running_loop().create_future()
    process = await spare.take()
    process.listen(
        lambda event: answer.set_result(event) if isinstance(event, DryRunDone) else None
    )
    read, resident = child.io_counters().read_chars, child.memory_info().rss
    options = LoadOptions(n_ctx=1_048_576)
    process.send(TryLoad(bytes(gemma_path), options))
    assert await asyncio.wait_for(answer, PATIENCE) == DryRunDone()
    assert child.io_counters().read_chars - read < 8 * MB  # of 253
    assert child.memory_info().rss - resident < 16 * MB
    await process.close()


async def test_what_cannot_be_had_is_known_before_the_load(
    spare: SpareChild,
    generated: Callable[..., Path],
    recurrent_path: Path,
    embedding_model: Path,
) -> None:
    """In the words of the load; see `test_load_options`."""
    grok = generated("grok", n_layers=1, width=64, n_heads=2, kv_heads=2, feed=64, head=32)
    asked = LoadOptions(
        n_ctx=256,
        n_batch=64,
        n_parallel=3,
        n_threads=1000,
        kv_type_k=KvType.Q8_0,
        flash_attention=FlashAttention.ON,
    )
    f16 = msgspec.structs.replace(asked, kv_type_k=KvType.F16)
    usual = LoadOptions(n_ctx=256)
    for path, options, words in (
        (recurrent_path, asked, ["no KV cache in q8_0: this model keeps none"]),
        (grok, f16, ["no flash attention: llama.cpp has none for models of this architecture"]),
        (
            embedding_model,
            f16,
            [
                "a batch of 256 tokens instead of 64",
                "up to 64 texts in one step instead of 3",
            ],
        ),
    ):
        threads, *others = await try_load(spare, path, options, PATIENCE)
        assert threads.endswith(
            " threads instead of 1,000: there are no more cores for this process"
        )
        assert [each.partition(": a model that")[0] for each in others] == words
        assert await try_load(spare, path, usual, PATIENCE) == ()
