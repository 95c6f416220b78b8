"""The ten integration tests of the specification, each on real engines with the embedded model."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.devices.gpu_context import GpuContext, GpuDevice, default_budget
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.errors import OutOfMemory
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.load_choice import model_needs
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import Endpoint
from tests.pools import RealPool, real_pool

# On the loop of the engine that they share.
on_its_loop = pytest.mark.asyncio(loop_scope="module")
N_CTX = 512
OPTIONS = LoadOptions(n_ctx=N_CTX)
GREEDY = SamplingParameters(temperature=0.0)
QUESTION = "What is the capital of France? Answer in one word."
TURNS = [ChatTurn(Role.USER, QUESTION)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model_path: Path) -> AsyncIterator[LlamaEngine]:
    """For the tests that only ask it."""
    engine = LlamaEngine(model_path)
    await engine.load(options=OPTIONS)
    yield engine
    await engine.unload()


def _measured(info: ContextInfo) -> int:
    return info.weights_bytes + info.kv_bytes + info.compute_bytes


async def test_phase35_llama_engine_lifecycle(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    assert not engine.is_loaded()
    info = await engine.load(options=OPTIONS)
    assert engine.is_loaded()
    child = engine.pid
    assert child is not None
    assert child != os.getpid()
    # The weights are in the child's memory, not in ours.
    assert psutil.Process(child).memory_info().rss > info.weights_bytes > 90_000_000
    stream = engine.generate(TURNS, 16, sampling=GREEDY)
    assert "Paris" in await stream.text()
    completion = await stream.wait_completion()
    assert completion.finish_reason in {FinishReason.STOP, FinishReason.LENGTH}
    assert completion.timings.prompt_tokens > 10
    await engine.unload()
    assert not engine.is_loaded()
    assert not psutil.pid_exists(child)


@on_its_loop
async def test_phase35_gpu_context_detection(engine: LlamaEngine) -> None:
    info = engine.get_context_info()
    devices = info.devices
    cpu = next(device for device in devices if device.kind == GpuDevice.CPU)
    total = psutil.virtual_memory().total
    assert cpu.total_memory == pytest.approx(total, rel=0.05)
    assert 0 < cpu.free_memory <= cpu.total_memory
    gpus = [device for device in devices if device.kind != GpuDevice.CPU]
    assert (info.n_gpu_layers > 0) == bool(gpus)
    kind = GpuDevice(gpus[0].kind) if gpus else GpuDevice.CPU
    memory = gpus[0].total_memory if gpus else total
    context = GpuContext(kind, default_budget(kind, memory))
    assert context.device() is kind
    assert 0 < context.max_memory() < memory
    assert context.available_memory() == context.max_memory()


@on_its_loop
async def test_phase35_gpu_memory_management(engine: LlamaEngine) -> None:
    needed = _measured(engine.get_context_info())
    context = GpuContext(GpuDevice.CPU, 2 * needed)
    context.allocate(needed)
    assert (context.allocated_memory(), context.available_memory()) == (needed, needed)
    context.allocate(needed)
    assert context.available_memory() == 0
    with pytest.raises(OutOfMemory):
        context.allocate(1)
    context.deallocate(needed)
    context.deallocate(needed)
    assert (context.allocated_memory(), context.available_memory()) == (0, 2 * needed)


@on_its_loop
async def test_phase35_token_stream_collection(engine: LlamaEngine) -> None:
    stream = engine.generate(TURNS, 12, sampling=GREEDY)
    text = await stream.text()
    assert text == str(stream)
    assert text
    completion = stream.completion
    assert completion is not None
    assert stream.total_tokens == completion.timings.completion_tokens > 0
    assert stream.is_finished


@on_its_loop
async def test_phase35_token_stream_iteration(engine: LlamaEngine) -> None:
    stream = engine.generate("One, two, three,", 10, sampling=GREEDY)
    tokens = [token async for token in stream]
    assert len(tokens) == 10
    assert "".join(tokens) == str(stream)
    assert "four" in str(stream)
    assert (stream.position, stream.has_next(), stream.next_token()) == (10, False, None)


@on_its_loop
async def test_phase35_token_stream_reset(engine: LlamaEngine) -> None:
    stream = engine.generate("One, two, three,", 8, sampling=GREEDY)
    first = [token async for token in stream]
    assert not stream.has_next()
    stream.reset()
    assert (stream.position, stream.has_next()) == (0, True)
    again = []
    while stream.has_next():
        again.append(stream.next_token())
    assert again == first
    assert len(again) == stream.total_tokens == 8


async def test_phase35_full_inference_pipeline(catalog: Catalog, model_path: Path) -> None:
    pool = real_pool(OPTIONS)
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    url = await endpoint.start()
    body = {
        "model": model_path.stem,
        "messages": [{"role": "user", "content": QUESTION}],
        "temperature": 0,
        "max_tokens": 16,
        "stream": True,
    }
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{url}/v1/chat/completions", json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    deltas = [choice["delta"].get("content") or "" for c in chunks for choice in c["choices"]]
    async with pool.lease(model_path) as engine:
        direct = await engine.generate(TURNS, 16, sampling=GREEDY).text()
    assert "".join(deltas) == direct
    assert "Paris" in direct
    assert chunks[-1]["choices"][0]["finish_reason"] in {"stop", "length"}
    await endpoint.stop()
    await pool.close()


async def test_phase35_multi_model_gpu_context(model_path: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.gguf"
    shutil.copy(model_path, second)
    pool = real_pool(OPTIONS)
    context = pool.ledgers.contexts[CPU]
    async with pool.lease(model_path) as one, pool.lease(second) as other:
        assert one.pid != other.pid
        measured = _measured(one.get_context_info()) + _measured(other.get_context_info())
        assert context.allocated_memory() == measured
        streams = [
            model.generate("One, two, three,", 24, sampling=GREEDY) for model in (one, other)
        ]
        begun = [stream.batches() for stream in streams]
        await asyncio.gather(*(anext(batches) for batches in begun))
        assert not any(stream.is_finished for stream in streams)  # both at once
        texts = await asyncio.gather(*(stream.text() for stream in streams))
        assert texts[0] == texts[1]
    await pool.unload(second)
    assert context.allocated_memory() == measured // 2
    await pool.close()
    assert context.allocated_memory() == 0


async def test_phase35_out_of_memory_error(catalog: Catalog, model_path: Path) -> None:
    budget = 100_000_000
    needed = sum(model_needs(model_path, OPTIONS).values())
    assert needed > budget
    pool: RealPool = real_pool(OPTIONS, budget=budget)
    with pytest.raises(OutOfMemory, match=r"^Memory exceeded: 0 bytes \+ .* > 100\.0 MB$"):
        async with pool.lease(model_path):
            pass
    gpu = GpuContext(GpuDevice.CUDA, budget)
    with pytest.raises(OutOfMemory, match=r"^GPU memory exceeded: 0 bytes \+ .* > 100\.0 MB$"):
        gpu.allocate(needed)
    endpoint = Endpoint(pool, catalog, EndpointConfig(port=0))
    url = await endpoint.start()
    body = {"model": model_path.stem, "messages": [{"role": "user", "content": "Hi"}]}
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{url}/v1/chat/completions", json=body)
    assert answer.status_code == OutOfMemory.http_status == 500
    error = answer.json()["error"]
    assert error["code"] == "insufficient_memory"
    assert "exceeded" in error["message"]
    await endpoint.stop()
    await pool.close()


@on_its_loop
async def test_phase35_context_info(engine: LlamaEngine) -> None:
    info = engine.get_context_info()
    assert (info.architecture, info.n_ctx, info.n_ctx_train) == ("llama", N_CTX, 8192)
    assert (info.n_layers, info.n_embd, info.n_vocab) == (30, 576, 49_152)
    assert info.n_params == 134_515_008
    assert info.kv_bytes == N_CTX * 30 * 2 * 3 * 64 * 2  # tokens, layers, K and V, heads, f16
    assert info.weights_bytes == 96_576_768
    # Rows of logits for those that decode, and not for each token of a batch of 512.
    assert 0 < info.compute_bytes < 512 * info.n_vocab * 4 / 4
    assert info.has_chat_template
    assert info.capabilities.chat
    assert info.n_threads >= 1
    assert info.load_ms > 0
