"""The best options for real models, what they cost, and what was learned from loads before."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU, Needs
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import (
    EMBEDDING_N_CTX,
    KvType,
    LoadOptions,
    LoraAdapter,
    Speculation,
)
from minerva_desktop.engine.memory_messages import DeviceShare, SimulatedContext
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.errors import ModelNotFound
from minerva_desktop.library.fit import LEAST_N_CTX
from minerva_desktop.library.gguf import read_header
from minerva_desktop.library.measured_memory import (
    MAX_KINDS,
    MAX_LENGTHS,
    MeasuredMemory,
    Report,
)
from minerva_desktop.library.memory_estimate import Figures
from minerva_desktop.load_choice import (
    LoadChooser,
    candidate,
    choose_load,
    estimate_options,
    model_needs,
)
from tests.engine.models import split_model, write_lora
from tests.fakes import context_info

MB = 10**6
OPEN = LoadOptions()
PATIENCE = 60.0  # seconds for a dry run beside other programs
Q8 = LoadOptions(kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0)


@pytest.fixture
async def spare() -> AsyncIterator[SpareChild]:
    spare = SpareChild()
    yield spare
    await spare.close()


def _sized(options: LoadOptions, n_ctx: int) -> LoadOptions:
    return msgspec.structs.replace(options, n_ctx=n_ctx)


def _gpu(name: str, free: int) -> DeviceInfo:
    return DeviceInfo(
        name=name,
        description=name,
        kind=GpuDevice.CUDA,
        total_memory=2_000 * MB,
        free_memory=free,
    )


def _info(kv_bytes: int, compute_bytes: int, shares: tuple[DeviceShare, ...] = ()) -> ContextInfo:
    info = context_info(weights_bytes=1, n_ctx=1)
    return msgspec.structs.replace(
        info, kv_bytes=kv_bytes, compute_bytes=compute_bytes, shares=shares
    )


def test_with_room_all_is_as_wished(model_path: Path) -> None:
    choice = choose_load(model_path, OPEN, {CPU: 4_000 * MB})
    assert (choice.fit, choice.reasons) == ("fits", ())
    assert (choice.options.n_ctx, choice.options.kv_type_k) == (8192, KvType.F16)
    assert choice.needs == model_needs(model_path, OPEN)
    assert 20 * MB < choice.beside["CPU"] < 40 * MB  # 49,152 tokens and as many merges


def test_what_gives_is_told_with_numbers(model_path: Path) -> None:
    choice = choose_load(model_path, OPEN, model_needs(model_path, Q8))
    assert (choice.options.n_ctx, choice.options.kv_type_v) == (8192, KvType.Q8_0)
    assert choice.fit == "smaller_kv"
    assert choice.reasons[0].startswith("KV cache in q8_0: as wished it would take ")
    small = _sized(Q8, 4096)
    choice = choose_load(model_path, OPEN, model_needs(model_path, small))
    assert (choice.fit, choice.options.n_ctx) == ("smaller_context", 4096)
    assert "context of 4,096 tokens instead of 8,192" in choice.reasons[1]
    assert choice.needs == model_needs(model_path, small)


def test_a_load_that_is_forced_all_the_same_takes_the_least(model_path: Path) -> None:
    choice = choose_load(model_path, OPEN, {CPU: 50 * MB})
    assert choice.fit == "wont_fit"
    assert (choice.options.n_ctx, choice.options.kv_type_k) == (LEAST_N_CTX, KvType.Q8_0)
    assert choice.needs == model_needs(model_path, _sized(Q8, LEAST_N_CTX))
    assert choice.reasons[0].startswith("it takes ")
    asked = LoadOptions(n_ctx=8192, kv_type_k=KvType.F16, kv_type_v=KvType.F16)
    assert choose_load(model_path, asked, {CPU: 50 * MB}).options == asked


async def test_what_is_chosen_for_odd_heads_loads(generated: Callable[..., Path]) -> None:
    odd = generated("llama", head=80, kv_heads=4)
    room = model_needs(odd, _sized(Q8, 8192))
    choice = choose_load(odd, LoadOptions(), room)
    assert (choice.fit, choice.options.kv_type_k) == ("smaller_context", KvType.F16)
    engine = LlamaEngine(odd)
    info = await engine.load(options=choice.options)
    assert info.n_ctx == choice.options.n_ctx
    await engine.unload()


def test_an_embedding_model_is_sized_as_it_is_loaded(embedding_model: Path) -> None:
    choice = choose_load(embedding_model, OPEN, {CPU: 8_000 * MB})
    assert choice.options.n_ctx == 512  # as trained; `EMBEDDING_N_CTX` where that is more
    assert choice.needs[CPU] > 512 * 30_522 * 4  # logits of each token
    assert choose_load(embedding_model, OPEN, {CPU: 70 * MB}).options.n_ctx == 256
    header = read_header(embedding_model)
    longer = header.metadata | {"bert.context_length": 8192}
    trained_for_more = msgspec.structs.replace(header, metadata=longer)
    found = estimate_options(trained_for_more, OPEN)
    assert (found.n_ctx, found.batch_tokens, found.n_outputs) == (EMBEDDING_N_CTX,) * 3


async def test_what_a_load_took_decides_the_next_choice(
    model_path: Path, tmp_path: Path, spare: SpareChild
) -> None:
    measured = MeasuredMemory(tmp_path / "measured.json")
    wished = model_needs(model_path, OPEN)
    engine = LlamaEngine(model_path, spare=spare)
    options = choose_load(model_path, OPEN, wished).options
    info = await engine.load(options=options)
    await engine.unload()
    chooser = LoadChooser(spare, measured)
    # As if its buffers had been 10 MB larger than they were.
    larger = msgspec.structs.replace(info, compute_bytes=info.compute_bytes + 10 * MB)
    await chooser.note_load(model_path, options, (), larger)
    again = MeasuredMemory(tmp_path / "measured.json")
    choice = choose_load(model_path, OPEN, {CPU: wished[CPU] + 5 * MB}, again)
    assert choice.fit == "smaller_kv"
    choice = choose_load(model_path, OPEN, {CPU: wished[CPU] + 11 * MB}, again)
    assert choice.fit == "fits"
    assert choice.needs[CPU] == pytest.approx(wished[CPU] + 10 * MB, abs=0.3 * MB)
    other = msgspec.structs.replace(OPEN, n_parallel=8)
    assert choose_load(model_path, other, wished, again).needs != choice.needs


def test_figures_are_kept_for_each_device(model_path: Path, tmp_path: Path) -> None:
    measured = MeasuredMemory(tmp_path / "measured.json")
    gpus = [_gpu("CUDA0", 1_500 * MB)]
    options = _sized(LoadOptions(kv_type_k=KvType.F16, kv_type_v=KvType.F16), 1024)
    model = candidate(model_path, options, measured, gpus)
    estimate = model.estimator().estimate(model.estimate_options())
    info = _info(estimate.kv_bytes, 50 * MB, (DeviceShare("CUDA0", 150 * MB, 20 * MB, 30 * MB),))
    model.note_load(info)
    found = candidate(model_path, options, measured, gpus)
    cpu, gpu = found.estimator().estimate(found.estimate_options()).devices
    assert (cpu.compute_bytes, gpu.compute_bytes) == (20 * MB, 30 * MB)
    assert gpu.weights_bytes == 100 * MB
    assert cpu.weights_bytes == estimate.devices[0].weights_bytes


def test_between_two_lengths_buffers_grow_evenly(model_path: Path) -> None:
    measured = MeasuredMemory(None)
    model = candidate(model_path, _sized(OPEN, 1024), measured)
    options = model.estimate_options()
    for n_ctx, n_bytes in ((1024, 10 * MB), (5120, 50 * MB)):
        context = SimulatedContext(
            n_ctx=n_ctx, compute={CPU: n_bytes}, kv_bytes=0, flash_attention=True
        )
        model.note_dry_run(options, [context])
    # Beyond the longest, too; a shorter one takes no more than the shortest.
    for n_ctx, n_bytes in ((512, 10), (1024, 10), (2048, 20), (4096, 40), (5120, 50), (8192, 80)):
        figures = model.reports.find(replace(options, n_ctx=n_ctx))
        assert figures is not None
        assert figures.compute == {CPU: n_bytes * MB}
    assert model.reports.find(replace(options, n_ctx=10_496)) is None  # too far beyond
    assert model.reports.find(replace(options, n_ctx=2048, n_batch=64)) is None
    assert model.reports.find(replace(options, n_ctx=2048, is_embedding=True)) is None


async def test_llama_cpp_is_asked_once_for_a_kind_of_load(
    model_path: Path, tmp_path: Path, spare: SpareChild
) -> None:
    measured = MeasuredMemory(tmp_path / "measured.json")
    room = {CPU: 4_000 * MB}
    chooser = LoadChooser(spare, measured, PATIENCE)
    model, choice, _ = await chooser.candidate(model_path, _sized(OPEN, 2048), room)
    assert choice.estimate.is_reported
    pid = spare.pid
    assert pid is not None  # it waits for the load now
    # Other lengths lie between those that were asked for, also for who reads the file later.
    for n_ctx in (1024, 4096, 8192):
        known = candidate(
            model_path, _sized(OPEN, n_ctx), MeasuredMemory(tmp_path / "measured.json")
        )
        figures = known.reports.find(known.estimate_options())
        assert figures is not None
        estimate = known.estimator().estimate(known.estimate_options())
        guessed = candidate(model_path, _sized(OPEN, n_ctx)).estimator()
        assert estimate.compute_bytes == pytest.approx(
            guessed.estimate(known.estimate_options()).compute_bytes, rel=0.02
        )
    assert model.reports.find(replace(choice.options, n_batch=64)) is None
    await chooser.choose(model_path, _sized(OPEN, 4096), room)
    assert spare.pid == pid
    assert len(list(tmp_path.iterdir())) == 1


async def test_a_choice_changes_by_what_llama_cpp_says(
    generated: Callable[..., Path], spare: SpareChild
) -> None:
    """The estimate of a quantised cache's compute buffer is larger than the truth."""
    model = generated("deepseek2", feed=256)
    q8 = _sized(Q8, 8192)
    (guessed,) = model_needs(model, q8).values()
    chooser = LoadChooser(spare, seconds=PATIENCE)
    _, choice, _ = await chooser.candidate(model, q8, {})
    (true,) = (device.total_bytes for device in choice.estimate.devices)
    assert true != guessed
    room = {CPU: true}
    fitting = await chooser.choose(model, OPEN, room)
    assert (fitting.fit, fitting.needs) == ("smaller_kv", room)


async def test_without_an_answer_the_estimate_does(
    model_path: Path, spare: SpareChild, caplog: pytest.LogCaptureFixture
) -> None:
    chooser = LoadChooser(spare, seconds=0.0)
    room = {CPU: 4_000 * MB}
    choice = await chooser.choose(model_path, OPEN, room)
    assert choice.needs == model_needs(model_path, OPEN)
    assert "is estimated without a dry run" in caplog.text
    caplog.clear()
    assert await chooser.choose(model_path, OPEN, room) == choice
    assert caplog.text == ""  # it is not tried again


async def test_what_a_model_would_get_alone_is_known_where_that_is_more(
    model_path: Path, spare: SpareChild
) -> None:
    chooser = LoadChooser(spare, seconds=0.0)
    alone = {CPU: 4_000 * MB}
    beside = model_needs(model_path, _sized(Q8, 4096))
    choice = await chooser.choose(model_path, OPEN, beside, alone=alone)
    assert (choice.options.n_ctx, choice.n_ctx_alone) == (4096, 8192)
    assert (await chooser.choose(model_path, OPEN, alone, alone=alone)).n_ctx_alone is None
    asked = _sized(OPEN, 2048)
    assert (await chooser.choose(model_path, asked, beside, alone=alone)).n_ctx_alone is None


async def test_who_gives_up_leaves_no_child(model_path: Path) -> None:
    deaf = SpareChild((sys.executable, "-c", "import time; time.sleep(60)"))
    chooser = LoadChooser(deaf, seconds=PATIENCE)
    for _ in range(2):  # the next one is not held up by the first
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chooser.choose(model_path, OPEN, {}), 0.3)
        assert deaf.pid is None


def test_adapters_and_a_draft_model_count(model_path: Path, tmp_path: Path) -> None:
    lora = tmp_path / "adapter.gguf"
    write_lora(lora, model_path, seed=1, strength=0.5)
    options = _sized(OPEN, 512)
    (bare,) = model_needs(model_path, options).values()
    adapters = (LoraAdapter(os.fsencode(lora), 1.0),) * 16
    (adapted,) = model_needs(model_path, msgspec.structs.replace(options, lora=adapters)).values()
    assert adapted - bare > 16 * 1.0 * MB
    guesses = Speculation(draft_model=os.fsencode(model_path))
    (drafting,) = model_needs(
        model_path, msgspec.structs.replace(options, speculation=guesses)
    ).values()
    assert drafting > 1.9 * bare
    gone = (LoraAdapter(os.fsencode(tmp_path / "gone.gguf"), 1.0),)
    with pytest.raises(ModelNotFound, match=r"“gone.gguf” is not there"):
        model_needs(model_path, msgspec.structs.replace(options, lora=gone))


def test_a_file_that_changed_is_another_model(model_path: Path, tmp_path: Path) -> None:
    """Its later parts, its adapters and its draft model, too."""
    parts = split_model(model_path, tmp_path, 2)
    lora = tmp_path / "adapter.lora"
    write_lora(lora, model_path, seed=1, strength=0.5)
    draft = tmp_path / "draft.gguf"
    shutil.copyfile(model_path, draft)
    options = LoadOptions(
        lora=(LoraAdapter(os.fsencode(lora), 1.0),),
        speculation=Speculation(draft_model=os.fsencode(draft)),
    )
    measured = MeasuredMemory(None)

    def is_known() -> bool:
        known = candidate(parts[0], options, measured)
        return known.reports.find(known.estimate_options()) is not None

    for file in (parts[1], lora, draft):
        model = candidate(parts[0], options, measured)
        model.note_load(_info(0, 0))
        assert is_known()
        os.utime(file, (1, 1))
        assert not is_known()


def test_any_part_stands_for_the_whole(model_path: Path, tmp_path: Path) -> None:
    parts = split_model(model_path, tmp_path, 2)
    assert model_needs(parts[1], OPEN) == model_needs(parts[0], OPEN)
    assert candidate(parts[1], OPEN).whole.path == parts[0]


def test_the_oldest_reports_are_forgotten_and_a_broken_file_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "measured.json"
    measured = MeasuredMemory(file)
    report = Report(n_ctx=1, figures=Figures(compute={CPU: 1}))
    for number in range(MAX_KINDS + 1):
        measured.note(str(number), report)
    assert (measured.find("0"), measured.find("1")) == ((), (report,))
    for n_ctx in range(MAX_LENGTHS + 5):
        measured.note("1", msgspec.structs.replace(report, n_ctx=n_ctx))
    assert len(measured.find("1")) == MAX_LENGTHS
    file.write_bytes(b"{")
    assert (measured.find("1"), measured.find("2")) == ((), ())
    assert caplog.text.count("is made anew") == 1
    measured.note("1", report)
    assert MeasuredMemory(file).find("1") == (report,)


def test_a_dry_run_does_not_replace_what_a_load_said() -> None:
    measured = MeasuredMemory(None)
    real = Report(n_ctx=1, figures=Figures(compute={CPU: 1}), is_real=True)
    dry = Report(n_ctx=1, figures=Figures(compute={CPU: 2}))
    for report in (dry, real, dry):
        measured.note("key", report)
    assert measured.find("key") == (real,)


def test_a_file_that_is_gone_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"“gone.gguf” is not there"):
        model_needs(tmp_path / "gone.gguf", OPEN)


def test_gpus_get_the_layers_by_their_free_memory(model_path: Path) -> None:
    gpus = [_gpu("CUDA0", 1_500 * MB), _gpu("CUDA1", 500 * MB)]
    room = {CPU: 4_000 * MB, "CUDA0": 1_000 * MB, "CUDA1": 400 * MB}
    choice = choose_load(model_path, OPEN, room, gpus=gpus)
    assert choice.fit == "fits"
    assert set(choice.needs) == {CPU, "CUDA0", "CUDA1"}
    assert choice.needs["CUDA0"] > 2 * choice.needs["CUDA1"] > 0
    even = choose_load(model_path, LoadOptions(tensor_split=(1.0, 1.0)), room, gpus=gpus)
    assert even.needs["CUDA1"] > choice.needs["CUDA1"]
    first = choose_load(model_path, LoadOptions(tensor_split=(1.0,)), room, gpus=gpus)
    assert first.needs["CUDA1"] == 0


def test_too_small_gpus_leave_layers_to_the_cpu(model_path: Path) -> None:
    room: Needs = {CPU: 4_000 * MB, "Vulkan0": 100 * MB}
    choice = choose_load(model_path, OPEN, room, gpus=[_gpu("Vulkan0", 100 * MB)])
    assert choice.fit == "needs_offload"
    assert choice.options.n_gpu_layers in range(1, 30)
    assert choice.needs["Vulkan0"] <= 100 * MB
    assert re.match(r"\d+ of \d+ layers on the GPU, the others on the CPU: ", choice.reasons[-1])
