"""Load options reach llama.cpp, or are refused; none is swallowed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import (
    FlashAttention,
    KvType,
    LoadOptions,
    LoraAdapter,
    RopeOptions,
    Speculation,
)
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.process import child_command
from minerva_desktop.errors import InvalidRequest, ModelLoadError, ModelNotFound
from tests.engine.models import split_model
from tests.processes import WITHOUT_LOCKS

GREEDY = SamplingParameters(temperature=0.0, max_tokens=12)
COUNT = ", ".join(str(number) for number in range(1, 60)) + ","
F16_BYTES = 1024 * 2 * 2 * 64 * 2  # of the small model's cache: 1,024 tokens, K and V, 2 layers
N_CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


async def _try(model: Path, **chosen: object) -> tuple[ContextInfo, str]:
    options = LoadOptions(n_ctx=1024, **chosen)  # type: ignore[arg-type]
    engine = LlamaEngine(model)
    info = await engine.load(options=options)
    text = await engine.generate(COUNT, sampling=GREEDY).text()
    await engine.unload()
    return info, text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(small_path: Path) -> tuple[ContextInfo, str]:
    """What comes of no option but the size of the context."""
    return await _try(small_path)


@pytest.mark.parametrize(
    ("kv_type", "share"),
    # Bytes of a block of 32 values: 64 as f16, 34 as q8_0, 18 as q4_0 (ggml-common.h).
    [(KvType.F16, 1.0), (KvType.Q8_0, 34 / 64), (KvType.Q4_0, 18 / 64)],
)
async def test_a_quantised_cache_is_as_much_smaller(
    small_path: Path, kv_type: KvType, share: float
) -> None:
    info, text = await _try(small_path, kv_type_k=kv_type, kv_type_v=kv_type)
    rounding = 0.01 * 2**20  # in llama.cpp's words about it
    assert info.kv_bytes == pytest.approx(F16_BYTES * share, abs=rounding)
    assert text


async def test_flash_attention_is_what_was_asked_for(
    small_path: Path, plain: tuple[ContextInfo, str]
) -> None:
    on, _ = await _try(small_path, flash_attention=FlashAttention.ON)
    off, text = await _try(small_path, flash_attention=FlashAttention.OFF)
    auto, same = plain
    assert (on.flash_attention, off.flash_attention, auto.flash_attention) == (True, False, True)
    assert off.compute_bytes != on.compute_bytes
    assert text == same


async def test_weights_may_be_read_instead_of_mapped(
    small_path: Path, plain: tuple[ContextInfo, str]
) -> None:
    _, mapped = plain
    _, read = await _try(small_path, use_mmap=False)
    _, locked = await _try(small_path, use_mlock=True)
    assert mapped == read == locked


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("options", "is_mapped", "is_locked"),
    [
        (LoadOptions(), True, False),
        (LoadOptions(use_mmap=False), False, False),
        (LoadOptions(use_mlock=True), True, True),
    ],
)
async def test_weights_lie_where_they_were_asked_for(
    small_path: Path, options: LoadOptions, is_mapped: bool, is_locked: bool
) -> None:
    engine = LlamaEngine(small_path)
    info = await engine.load(256, options=options)
    files = {each.path for each in psutil.Process(engine.pid).memory_maps()}
    status = Path(f"/proc/{engine.pid}/status").read_text()
    await engine.unload()
    assert (str(small_path) in files) == is_mapped
    if not info.warnings:  # root may lock what others may not
        assert ("VmLck:\t       0 kB" not in status) == is_locked


async def test_layers_for_a_gpu_that_is_not_there_are_told(
    small_path: Path, plain: tuple[ContextInfo, str]
) -> None:
    if any(device.kind != "cpu" for device in plain[0].devices):
        pytest.skip("a GPU takes them here")
    info, text = await _try(small_path, n_gpu_layers=2)
    assert info.warnings == (
        "no layer on a GPU instead of 2: llama.cpp finds no GPU that this build can use",
    )
    assert text


@pytest.mark.skipif(
    sys.platform != "linux" or N_CORES < 2, reason="needs a core for each, and threads that stay"
)
async def test_threads_for_prompts_may_differ(small_path: Path) -> None:
    n_begun = []
    for n_threads_batch in (1, 2):
        engine = LlamaEngine(small_path)
        options = LoadOptions(n_ctx=1024, n_threads=1, n_threads_batch=n_threads_batch)
        assert (await engine.load(options=options)).n_threads == 1
        assert engine.pid is not None
        child = psutil.Process(engine.pid)
        n_idle = child.num_threads()
        await engine.generate(COUNT, 1).text()
        n_begun.append(child.num_threads() - n_idle)
        await engine.unload()
    assert n_begun == [0, 1]


async def test_no_more_threads_than_cores(small_path: Path) -> None:
    info, text = await _try(small_path, n_threads=512)
    assert info.n_threads == N_CORES
    assert info.warnings == (
        f"{N_CORES:,} threads instead of 512: there are no more cores for this process",
    )
    assert text


@pytest.mark.skipif(sys.platform != "linux", reason="takes a privilege away as Linux has it")
async def test_weights_that_cannot_be_locked_are_told(small_path: Path) -> None:
    engine = LlamaEngine(
        small_path, command=(sys.executable, "-c", WITHOUT_LOCKS, *child_command())
    )
    info = await engine.load(options=LoadOptions(n_ctx=256, use_mlock=True))
    await engine.unload()
    (warning,) = info.warnings
    assert warning.startswith("weights that are not locked in memory: the system lets")


@pytest.mark.parametrize("flash_attention", [FlashAttention.OFF, FlashAttention.AUTO])
async def test_a_cache_whose_blocks_do_not_divide_the_heads_is_refused(
    generated: Callable[..., Path], flash_attention: FlashAttention
) -> None:
    model = generated("llama", n_layers=1, width=80, n_heads=2, kv_heads=2, feed=160, head=40)
    engine = LlamaEngine(model)
    options = LoadOptions(n_ctx=256, kv_type_k=KvType.Q8_0, flash_attention=flash_attention)
    with pytest.raises(InvalidRequest, match="multiple of 32 numbers; those of this model have 40"):
        await engine.load(options=options)


async def test_flash_attention_that_the_model_cannot_have_is_told(
    generated: Callable[..., Path],
) -> None:
    grok = generated("grok", n_layers=1, width=64, n_heads=2, kv_heads=2, feed=64, head=32)
    told = []
    for flash_attention in (FlashAttention.ON, FlashAttention.AUTO):
        engine = LlamaEngine(grok)
        info = await engine.load(options=LoadOptions(n_ctx=256, flash_attention=flash_attention))
        assert not info.flash_attention
        told.append(info.warnings)
        await engine.unload()
    assert told == [
        ("no flash attention: llama.cpp has none for models of this architecture",),
        (),
    ]


@pytest.mark.parametrize(
    ("flash_attention", "kinds"),
    [(FlashAttention.ON, ("q8_0", "q4_0")), (FlashAttention.AUTO, ("f16", "q8_0"))],
)
async def test_a_quantised_cache_that_needs_flash_attention_is_refused_where_there_is_none(
    generated: Callable[..., Path], flash_attention: FlashAttention, kinds: tuple[str, str]
) -> None:
    """In llama.cpp's own words, which named no way out."""
    grok = generated("grok", n_layers=1, width=64, n_heads=2, kv_heads=2, feed=64, head=32)
    keys, values = map(KvType, kinds)
    options = LoadOptions(
        n_ctx=256, flash_attention=flash_attention, kv_type_k=keys, kv_type_v=values
    )
    with pytest.raises(InvalidRequest) as refused:
        await LlamaEngine(grok).load(options=options)
    assert refused.value.param == "kv_type_v"
    assert refused.value.message == (
        "A quantised KV cache needs flash attention, which llama.cpp does not have for this model:"
        " keep the cache (its values at least) in f16"
    )


async def test_a_quantised_cache_of_a_model_that_keeps_none_is_told(recurrent_path: Path) -> None:
    engine = LlamaEngine(recurrent_path)
    mixed = LoadOptions(n_ctx=256, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q4_0)
    info = await engine.load(options=mixed)
    await engine.unload()
    assert info.warnings == ("no KV cache in q4_0 and q8_0: this model keeps none",)


async def test_a_batch_that_is_as_large_as_its_requests_is_taken(
    small_path: Path, plain: tuple[ContextInfo, str]
) -> None:
    info, text = await _try(small_path, n_batch=3, n_parallel=3)
    assert (info.n_parallel, info.warnings, text) == (3, (), plain[1])


async def test_a_split_model_is_loaded_by_its_first_part(
    small_path: Path, tmp_path: Path, plain: tuple[ContextInfo, str]
) -> None:
    whole, text = plain
    parts = split_model(small_path, tmp_path, 3)
    split, same = await _try(parts[0])
    assert (split.weights_bytes, split.n_params) == (whole.weights_bytes, whole.n_params)
    assert same == text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
async def test_a_part_that_is_no_file_holds_nobody_up(small_path: Path, tmp_path: Path) -> None:
    first, *_, last = split_model(small_path, tmp_path, 3)
    last.unlink()
    os.mkfifo(last)
    with pytest.raises(ModelLoadError, match=f"“{last.name}” is a pipe, not a GGUF file"):
        await LlamaEngine(first).load(256)


async def test_parts_that_are_not_there_are_said_in_words(small_path: Path, tmp_path: Path) -> None:
    """Those that the library has for them, too: llama.cpp names its functions."""
    first, second, third = split_model(small_path, tmp_path, 3)
    with pytest.raises(ModelLoadError) as caught:
        await LlamaEngine(third).load(256)
    assert caught.value.message == f"“{third.name}” is part 3 of 3 of a model: load the first one"
    second.unlink()
    with pytest.raises(ModelLoadError) as caught:
        await LlamaEngine(first).load(256)
    assert caught.value.message == f"Part 2 of 3 is not there: {second.name}"
    assert "failed to load GGUF split" in caught.value.detail
    first.unlink()
    with pytest.raises(ModelNotFound, match=f"“{first.name}” is not there; it may have been moved"):
        await LlamaEngine(first).load(256)


async def test_what_is_no_file_is_said_in_words(small_path: Path, tmp_path: Path) -> None:
    folder = "“models” is a folder: choose a GGUF file in it."
    (tmp_path / "models").mkdir()
    place = bytes(tmp_path / "models")
    for path, options, words in (
        (tmp_path / "models", LoadOptions(), folder),
        (small_path, LoadOptions(lora=(LoraAdapter(place),)), f"The adapter {folder}"),
        (
            small_path,
            LoadOptions(speculation=Speculation(draft_model=place)),
            f"The draft model {folder}",
        ),
        (tmp_path / f"{'m' * 300}.gguf", LoadOptions(), "” cannot be read: "),
    ):
        with pytest.raises(ModelLoadError, match=re.escape(words)):
            await LlamaEngine(path).load(256, options=options)


async def test_more_may_run_than_the_context_was_to_have_tokens(small_path: Path) -> None:
    engine = LlamaEngine(small_path)
    info = await engine.load(options=LoadOptions(n_ctx=16, n_parallel=32))
    completion = await engine.generate(tuple(range(5, 205)), 4).wait_completion()
    assert (info.n_ctx, completion.timings.prompt_tokens) == (256, 200)
    await engine.unload()


async def test_a_tensor_split_for_gpus_that_are_not_there_is_refused(
    small_path: Path, plain: tuple[ContextInfo, str]
) -> None:
    info, _ = plain
    n_gpus = sum(device.kind != "cpu" for device in info.devices)
    engine = LlamaEngine(small_path)
    there = "none" if n_gpus == 0 else str(n_gpus)
    with pytest.raises(InvalidRequest, match=f"split over .*, but llama.cpp finds {there} that"):
        await engine.load(options=LoadOptions(tensor_split=(1.0,) * (n_gpus + 1)))


@pytest.mark.parametrize(
    ("options", "param"),
    [
        (LoadOptions(n_threads_batch=0), "n_threads_batch"),
        (LoadOptions(n_batch=7, n_parallel=8), "n_batch"),
        (LoadOptions(n_batch=3), "n_batch"),  # beside the usual four
        (LoadOptions(rope=RopeOptions(freq_scale=0.0)), "rope.freq_scale"),
        (LoadOptions(rope=RopeOptions(freq_base=float("nan"))), "rope.freq_base"),
        (
            LoadOptions(rope=RopeOptions(yarn_beta_fast=2.0, yarn_beta_slow=3.0)),
            "rope.yarn_beta_fast",
        ),
        (LoadOptions(tensor_split=(-1.0,)), "tensor_split"),
        (LoadOptions(speculation=Speculation(n_draft=0)), "speculation.n_draft"),
        (LoadOptions(speculation=Speculation(p_min=1.5)), "speculation.p_min"),
        (LoadOptions(lora=(LoraAdapter(b"x"),) * 17), "lora"),
        (LoadOptions(lora=(LoraAdapter(b"x", float("inf")),)), "lora"),
        (
            LoadOptions(flash_attention=FlashAttention.OFF, kv_type_v=KvType.Q8_0),
            "flash_attention",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options: LoadOptions, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        options.check()
    assert caught.value.param == param
    # The window shows it, where nobody knows our fields' names.
    assert not re.search(r"[a-z]_[a-z]|\b(rope|speculation)\.", caught.value.message)
