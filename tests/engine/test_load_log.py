"""What is read out of llama.cpp's log of a load."""

from __future__ import annotations

import time

import pytest

from minerva_desktop.engine.core.batch_filler import ANY_FORMAT, SteadyRows
from minerva_desktop.engine.core.load_log import (
    added_shares,
    buffer_sizes,
    bytes_by_device,
    cache_bytes,
    copied_share,
    gpu_shares,
    has_flash_attention,
    layer_placement,
    steady_rows,
    unused_bytes,
)
from minerva_desktop.engine.core.model_info import placement_text, short_quantisation
from minerva_desktop.engine.memory_messages import DeviceShare, LayerPlacement

MIB = 1 << 20
ON_GPUS = (
    "load_tensors:   CPU_Mapped model buffer size =    90.00 MiB\n"
    "load_tensors:        CUDA0 model buffer size =    50.00 MiB\n"
    "load_tensors:       CUDA10 model buffer size =     2.00 MiB\n"
    "llama_adapter_lora_init_impl:      CUDA0 LoRA buffer size =     3.00 MiB\n"
    "llama_context:  CUDA_Host  output buffer size =     0.50 MiB\n"
    "llama_kv_cache:      CUDA0 KV buffer size =    10.50 MiB\n"
    "llama_kv_cache:        CPU KV buffer size =     1.50 MiB\n"
    "sched_reserve:      CUDA0 compute buffer size =     4.00 MiB\n"
    "sched_reserve:  CUDA_Host compute buffer size =     1.00 MiB\n"
)


def test_what_each_gpu_holds() -> None:
    assert gpu_shares(ON_GPUS, ["CUDA0", "CUDA1", "CUDA10"]) == (
        DeviceShare("CUDA0", 67 * MIB + MIB // 2, 10 * MIB + MIB // 2, 4 * MIB),
        DeviceShare("CUDA10", 2 * MIB),
    )
    assert buffer_sizes(ON_GPUS)["compute"] == 5 * MIB


def test_what_says_nothing_of_buffers_costs_next_to_nothing() -> None:
    """The log of a load is 240,000 characters long, and was read letter by letter six times."""
    log = f"{'x' * 10_000}\n{ON_GPUS}"
    began = time.process_time()
    assert buffer_sizes(log) == buffer_sizes(ON_GPUS)
    assert time.process_time() - began < 0.5  # 0.001; 1.5 where each letter may begin a line


def test_what_a_gpu_reads_in_the_systems_memory_is_not_on_it() -> None:
    compute = bytes_by_device(ON_GPUS, ("compute", "output"), ["CUDA0"])
    assert compute == {"CPU": MIB + MIB // 2, "CUDA0": 4 * MIB}


def test_a_worker_elsewhere_is_a_device_too() -> None:
    log = "sched_reserve: RPC0[127.0.0.1:50777] compute buffer size =    14.00 MiB\n"
    assert bytes_by_device(log, ("compute",), ["RPC0"]) == {"CPU": 0, "RPC0": 14 * MIB}


def test_shares_of_a_model_and_its_draft_are_added() -> None:
    draft = (DeviceShare("CUDA0", 10, 2, 3), DeviceShare("CUDA1", 5, 1, 1))
    assert added_shares((DeviceShare("CUDA0", 100, 20, 30),), draft) == (
        DeviceShare("CUDA0", 110, 22, 33),
        DeviceShare("CUDA1", 5, 1, 1),
    )


def test_a_simulated_load_tells_its_cache_though_it_makes_none() -> None:
    log = (
        "llama_kv_cache_iswa: creating non-SWA KV cache, size = 8192 cells\n"
        "llama_kv_cache:        CPU KV buffer size =     0.00 MiB\n"
        "llama_kv_cache: size =   24.00 MiB (  8192 cells,   3 layers,  8/1 seqs), K (f16): 12\n"
        "llama_kv_cache: size =   67.50 MiB (  4608 cells,  15 layers,  8/1 seqs), K (f16): 33\n"
        "llama_memory_recurrent:        CPU RS buffer size =     3.00 MiB\n"
        "llama_memory_recurrent: size =    3.00 MiB (     8 cells,   8 layers,  8 seqs)\n"
    )
    assert cache_bytes(log, is_simulated=True) == 94 * MIB + MIB // 2
    assert cache_bytes(log, is_simulated=False) == 3 * MIB


def test_weights_that_are_copied_or_left_out_need_no_mapped_pages() -> None:
    mapped = "load_tensors:   CPU_Mapped model buffer size =   100.00 MiB\n"
    copied = "load_tensors:   CPU_REPACK model buffer size =    25.00 MiB\n"
    unused = f"model has unused tensor blk.8.ffn_up.weight (size = {5 * MIB} bytes) -- ignoring\n"
    assert copied_share(mapped) == 0.0
    assert copied_share(mapped + copied) == pytest.approx(0.25)
    assert copied_share(mapped + copied + unused) == pytest.approx(0.30)
    assert copied_share(copied + unused) == 0.0  # nothing is mapped
    assert unused_bytes(unused + unused) == 10 * MIB


def test_flash_attention_may_be_turned_off() -> None:
    assert has_flash_attention("resolve: Flash Attention enabled\n")
    assert not has_flash_attention("resolve: Flash Attention not supported, set to disabled\n")


def test_placement_is_read_from_the_last_report() -> None:
    log = (
        "load_tensors: layer   0 assigned to device CUDA0, is_swa = 0\n"
        "load_tensors: layer   1 assigned to device CUDA0, is_swa = 0\n"
        "load_tensors: layer   0 assigned to device CPU, is_swa = 0\n"
    )
    placement = layer_placement(log)
    assert placement == (LayerPlacement("CPU", 1), LayerPlacement("CUDA0", 1))
    assert placement_text(placement) == "CPU 1 layers, CUDA0 1 layers"
    assert placement_text((LayerPlacement("CPU", 31),)) == "CPU"


def test_the_formats_of_weights_say_how_many_rows_are_computed_as_each_alone() -> None:
    line = "llama_model_loader: - type {:>4}:  {} tensors\n".format
    quantised = line("f32", 61) + line("q4_1", 210)
    floats = SteadyRows(lone_cells=0, greedy_tokens=0)
    repacked = "load_tensors:   CPU_REPACK model buffer size =    12.66 MiB\n"
    assert steady_rows(quantised) == ANY_FORMAT
    assert steady_rows(quantised, has_adapters=True) == floats
    assert steady_rows(quantised + repacked) == SteadyRows(most=3, greedy_tokens=0)
    assert steady_rows(line("f32", 61) + line("f16", 210)) == floats
    assert steady_rows(line("f32", 271)) == floats
    assert steady_rows(quantised + line("bf16", 1) + repacked) == SteadyRows(3, 0, 0)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Q4_K - Medium", "Q4_K_M"),
        ("(guessed) Q3_K - Small", "Q3_K_S"),
        ("Q3_K - Large", "Q3_K_L"),
        ("Q4_1", "Q4_1"),
        ("all F32", "F32"),
        ("IQ2_XXS - 2.0625 bpw", "IQ2_XXS"),
        ("", ""),
    ],
)
def test_a_quantisation_is_named_as_people_do(name: str, short: str) -> None:
    assert short_quantisation(name) == short
