"""The best options that fit, what they cost, and what was learned from loads before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.engine.load_options import KvType, LoadOptions
from minerva_desktop.errors import ModelNotFound
from minerva_desktop.library.fit import LEAST_N_CTX, Fit, Free, choose_options
from minerva_desktop.library.measured_memory import MAX_LOADS, MeasuredLoad, MeasuredMemory
from minerva_desktop.library.memory_estimate import EstimateOptions, GpuShare, estimate_memory
from minerva_desktop.library.split_model import read_whole_model
from minerva_desktop.load_choice import choose_load, estimate_load, load_key, model_needs

MB = 10**6
OPEN = LoadOptions()


def _room(model: Path, options: LoadOptions) -> Mapping[str, int]:
    """Just what ``options`` take."""
    return model_needs(model, options)


def test_with_room_all_is_as_wished(model_path: Path) -> None:
    choice = choose_load(model_path, OPEN, {CPU: 4_000 * MB})
    assert (choice.fit, choice.reasons) == ("fits", ())
    assert (choice.options.n_ctx, choice.options.kv_type_k) == (8192, KvType.F16)
    assert choice.needs == model_needs(model_path, OPEN)


def test_a_smaller_kv_cache_comes_before_a_shorter_context(model_path: Path) -> None:
    room = _room(model_path, LoadOptions(kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0))
    choice = choose_load(model_path, OPEN, room)
    assert (choice.options.n_ctx, choice.options.kv_type_v) == (8192, KvType.Q8_0)
    assert choice.fit == "smaller_context"
    assert choice.reasons[0].startswith("KV cache in q8_0: as wished it would take ")


def test_then_the_context_is_the_longest_that_fits(model_path: Path) -> None:
    small = LoadOptions(n_ctx=2048, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0)
    choice = choose_load(model_path, OPEN, _room(model_path, small))
    assert choice.options.n_ctx == 2048
    assert "context of 2,048 tokens instead of 8,192" in choice.reasons[1]
    assert sum(choice.needs.values()) == sum(model_needs(model_path, small).values())


def test_what_was_asked_for_is_not_touched(model_path: Path) -> None:
    asked = LoadOptions(n_ctx=8192, kv_type_k=KvType.F16, kv_type_v=KvType.F16)
    room = _room(model_path, LoadOptions(n_ctx=4096))
    choice = choose_load(model_path, asked, room)
    assert choice.fit == "wont_fit"
    assert choice.options == asked
    assert choice.needs == model_needs(model_path, asked)
    (reason,) = choice.reasons
    assert reason.startswith("it takes ")


def test_a_context_that_is_of_no_use_is_not_chosen(model_path: Path) -> None:
    tiny = LoadOptions(n_ctx=LEAST_N_CTX - 256, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0)
    choice = choose_load(model_path, OPEN, _room(model_path, tiny))
    assert (choice.fit, choice.options.n_ctx) == ("wont_fit", 8192)


def test_layers_go_to_the_cpu_where_the_gpu_is_too_small(model_path: Path) -> None:
    header = read_whole_model(model_path).header
    wished = EstimateOptions(n_ctx=8192, n_seq_max=8, gpus=(GpuShare("GPU0", 1.0),))
    half = EstimateOptions(n_ctx=4096, n_seq_max=8, gpus=(GpuShare("GPU0", 1.0),), n_gpu_layers=15)
    gpu = next(d for d in estimate_memory(header, half).devices if d.device == "GPU0").total_bytes
    choice = choose_options(header, wished, {"CPU": 4_000 * MB, "GPU0": gpu}, Free())
    assert choice.fit is Fit.NEEDS_OFFLOAD
    assert choice.options.n_gpu_layers in range(10, 31)
    assert choice.estimate.devices[1].total_bytes <= gpu
    assert "layers on the GPU, the others on the CPU" in choice.reasons[-1]


def test_what_a_load_took_counts_the_next_time(model_path: Path, tmp_path: Path) -> None:
    measured = MeasuredMemory(tmp_path / "measured.json")
    room = {CPU: 4_000 * MB}
    choice = choose_load(model_path, OPEN, room, measured)
    took = MeasuredLoad(weights_bytes=1, kv_bytes=2, compute_bytes=120 * MB)
    measured.note(load_key(model_path, choice.options), took)
    again = MeasuredMemory(tmp_path / "measured.json")
    assert choose_load(model_path, OPEN, room, again).needs == {CPU: 120 * MB + 3}
    other = msgspec.structs.replace(OPEN, n_parallel=8)
    assert choose_load(model_path, other, room, again).needs == model_needs(model_path, other)
    assert estimate_load(read_whole_model(model_path).header, OPEN).total_bytes > 120 * MB + 3


def test_the_oldest_measurements_are_forgotten_and_a_broken_file_is_none(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    measured = MeasuredMemory(file)
    load = MeasuredLoad(weights_bytes=1, kv_bytes=1, compute_bytes=1)
    for number in range(MAX_LOADS + 1):
        measured.note(str(number), load)
    assert (measured.find("0"), measured.find("1")) == (None, load)
    file.write_bytes(b"{")
    assert measured.find("1") is None
    measured.note("1", load)
    assert measured.find("1") == load


def test_a_file_that_is_gone_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"“gone.gguf” is not there"):
        load_key(tmp_path / "gone.gguf", OPEN)


def test_discrete_gpus_get_the_layers_by_their_free_memory(model_path: Path) -> None:
    gpus = [
        DeviceInfo(
            name=name,
            description=name,
            kind=GpuDevice.CUDA,
            total_memory=2_000 * MB,
            free_memory=free,
        )
        for name, free in (("CUDA0", 1_500 * MB), ("CUDA1", 500 * MB))
    ]
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
    gpu = DeviceInfo(
        name="Vulkan0",
        description="",
        kind=GpuDevice.VULKAN,
        total_memory=100 * MB,
        free_memory=100 * MB,
    )
    room = {CPU: 4_000 * MB, "Vulkan0": 100 * MB}
    choice = choose_load(model_path, OPEN, room, gpus=[gpu])
    assert choice.fit == "needs_offload"
    assert choice.options.n_gpu_layers in range(1, 30)
    assert choice.needs["Vulkan0"] <= 100 * MB
    assert "layers on the GPU, the others on the CPU" in choice.reasons[-1]
