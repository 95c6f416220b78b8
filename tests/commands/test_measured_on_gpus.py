"""What `minerva models show --load` says that a model takes of a graphics card."""

from __future__ import annotations

import msgspec
import pytest

from minerva_desktop.commands import models
from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.nvml import NvmlProbe
from tests.devices.nvml_script import GB, Gpu, ScriptedNvml
from tests.fakes import context_info

CHILD = 4711
CUDA = DeviceInfo(
    name="CUDA0",
    description="NVIDIA Test",
    kind=GpuDevice.CUDA,
    total_memory=24 * GB,
    free_memory=20 * GB,
)


@pytest.mark.parametrize(
    ("told", "measured"),
    [({CHILD: 3 * GB, 1: GB}, 3 * GB), ({CHILD: None}, 2 * GB), ({1: GB}, 2 * GB)],
)
def test_the_driver_tells_it_and_where_it_does_not_llama_cpps_buffers_count(
    monkeypatch: pytest.MonkeyPatch, told: dict[int, int | None], measured: int
) -> None:
    nvml = NvmlProbe(ScriptedNvml(Gpu(used=5 * GB, compute=told)))
    monkeypatch.setattr(models, "find_nvml", lambda: nvml)
    info = context_info(weights_bytes=GB, n_ctx=512, on_gpus={"CUDA0": 2 * GB})
    info = msgspec.structs.replace(info, devices=(CUDA,))
    assert models._on_gpus(CHILD, info) == {"CUDA0": measured}


def test_a_card_that_tells_nothing_of_its_memory_has_what_llama_cpp_put_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "find_nvml", lambda: None)
    silent = msgspec.structs.replace(CUDA, name="SYCL0", kind=GpuDevice.SYCL, total_memory=0)
    info = context_info(weights_bytes=GB, n_ctx=512, on_gpus={"SYCL0": 2 * GB})
    info = msgspec.structs.replace(info, devices=(silent,))
    assert models._on_gpus(CHILD, info) == {"SYCL0": 2 * GB}
