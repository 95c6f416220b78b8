"""The numbers behind the memory gauge: this machine's real ones, and a scripted NVIDIA driver's."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pynvml
import pytest

from minerva_desktop.devices.device_list import DeviceInfo, DeviceList
from minerva_desktop.devices.driver import find_nvml
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.ledgers import CPU, NOTHING, Needs
from minerva_desktop.devices.memory import UNASKED, MemoryProbe
from minerva_desktop.devices.nvml import NvmlProbe
from minerva_desktop.devices.sysfs import SysfsProbe
from minerva_desktop.devices.system_memory import MemoryPart, system_memory
from tests.devices.nvml_script import GB, Gpu, ScriptedNvml

OURS = 4711


NOWHERE = Path("/no/such/folder")
PROCESSOR = DeviceInfo(
    name="CPU", description="", kind=GpuDevice.CPU, total_memory=GB, free_memory=GB
)
WITHOUT_GPU = DeviceList((PROCESSOR,))


def cuda(index: int = 0, *, free: int = 20 * GB, pci: str = "") -> DeviceInfo:
    return DeviceInfo(
        name=f"CUDA{index}",
        description="NVIDIA Test",
        kind=GpuDevice.CUDA,
        total_memory=24 * GB,
        free_memory=free,
        pci=pci,
    )


@pytest.fixture
def no_driver() -> Iterator[MemoryProbe]:
    library = ScriptedNvml(failure=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    with MemoryProbe(NvmlProbe(library), SysfsProbe(NOWHERE, NOWHERE)) as probe:
        yield probe


def probe_of(*gpus: Gpu, failure: int | None = None) -> MemoryProbe:
    nvml = NvmlProbe(ScriptedNvml(*gpus, failure=failure))
    return MemoryProbe(nvml, SysfsProbe(NOWHERE, NOWHERE))


def ended_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def parts(memory: MemoryPart) -> int:
    return memory.used_by_models + memory.used_by_others + memory.free


def test_the_real_probe_of_this_machine() -> None:
    with MemoryProbe(find_nvml()) as probe:
        snapshot = probe.snapshot([os.getpid()])
    assert all(parts(part) == part.total for part in snapshot.parts)
    assert snapshot.system.total > 100_000_000
    assert not snapshot.gpus or snapshot.reason is None


WITHOUT_DRIVER = """
import sys
from minerva_desktop.devices.driver import find_nvml
print(find_nvml([sys.argv[1]]), "pynvml" in sys.modules)
"""


def test_without_a_sign_of_a_driver_its_library_is_not_even_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_DRIVER, str(tmp_path / "missing")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"]


def test_a_driver_is_only_missing_where_there_is_a_card(tmp_path: Path) -> None:
    with MemoryProbe(None, SysfsProbe(tmp_path, NOWHERE)) as probe:
        snapshot = probe.snapshot()
        assert snapshot.reason is None
        card = tmp_path / "card0" / "device"
        card.mkdir(parents=True)
        (card / "vendor").write_text("0x10de\n")
        is_metal = snapshot.system.kind is GpuDevice.METAL
        assert is_metal or probe.snapshot().reason == "No NVIDIA driver is installed."


def test_with_any_sign_of_a_driver_it_is_asked(tmp_path: Path) -> None:
    sign = tmp_path / "libnvidia-ml.so.1"
    sign.touch()
    nvml = find_nvml([tmp_path / "missing", sign])
    assert isinstance(nvml, NvmlProbe)
    with MemoryProbe(nvml) as probe:
        snapshot = probe.snapshot()
        asked = nvml.read([])
        assert (not asked) == (nvml.problem is not None)
        assert len(snapshot.gpus) == len(asked)


def test_system_memory_with_this_process_as_engine(no_driver: MemoryProbe) -> None:
    before = no_driver.snapshot([os.getpid()]).system
    ballast = bytearray(os.urandom(1 << 20)) * 100
    after = no_driver.snapshot([os.getpid()]).system
    assert (before.device, before.kind, before.label) == (CPU, GpuDevice.CPU, "System memory")
    assert before.total == psutil.virtual_memory().total
    assert 10_000_000 < before.used_by_models < before.total
    grown = after.used_by_models - before.used_by_models
    assert 0.9 * len(ballast) < grown < 1.5 * len(ballast)
    assert parts(before) == parts(after) == before.total


MAPS_A_FILE = """
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
    touched = sum(view[at] for at in range(0, len(view), 4096))
    print("mapped", flush=True)
    input()
"""


def test_a_mapped_model_file_counts_as_used_by_models(tmp_path: Path) -> None:
    model = tmp_path / "weights"
    model.write_bytes(bytes(64 * 10**6))
    with subprocess.Popen(
        [sys.executable, "-c", MAPS_A_FILE, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mapped\n"
        memory = system_memory([process.pid])
        process.communicate("\n")
    assert 64 * 10**6 < memory.used_by_models < 64 * 10**6 + 40 * 10**6
    assert parts(memory) == memory.total


def test_ended_children_count_nothing(no_driver: MemoryProbe) -> None:
    pids = [ended_pid(), 2**22 + 1]
    assert no_driver.snapshot(pids).system.used_by_models == 0
    assert no_driver.snapshot([]).system.used_by_models == 0


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
            "The NVIDIA driver is installed, but it is not running.",
        ),
        (
            pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
            "The NVIDIA driver does not answer: RM has detected an NVML/RM version mismatch.",
        ),
    ],
)
def test_without_a_working_driver_the_reason_is_given_and_logged_once(
    failure: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with probe_of(failure=failure) as probe:
        snapshots = [probe.snapshot() for _ in range(3)]
    assert [snapshot.gpus for snapshot in snapshots] == [(), (), ()]
    assert {snapshot.reason for snapshot in snapshots} == {reason}
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert told == [(logging.DEBUG, reason)]  # that there is no GPU is no news


@pytest.mark.parametrize("failure", [None, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND])
def test_nothing_is_said_of_a_driver_without_a_card(failure: int | None) -> None:
    with probe_of(failure=failure) as probe:
        assert probe.snapshot().reason is None


def test_gpu_numbers_and_the_engines_share() -> None:
    gpu = Gpu(
        used=10 * GB,
        compute={OURS: 4 * GB, 1: 5 * GB},
        graphics={2: GB},
        busy_percent=97,
        celsius=71,
    )
    with probe_of(gpu) as probe:
        snapshot = probe.snapshot([OURS, 99], DeviceList((cuda(),)), {"CUDA0": 3 * GB})
        assert probe.snapshot([], DeviceList((cuda(),))).gpus[0].used_by_models == 0
    (part,) = snapshot.gpus
    assert (part.device, part.kind, part.label) == ("CUDA0", GpuDevice.CUDA, "NVIDIA Test")
    # A process takes more than what llama.cpp placed.
    assert (part.used_by_models, part.used_by_others) == (4 * GB, 6 * GB)
    assert (part.total, part.free) == (24 * GB, 14 * GB)
    assert (part.utilisation, part.celsius, part.note) == (0.97, 71.0, "")
    assert (snapshot.reason, snapshot.has_unused_gpu) == (None, False)
    assert snapshot.system.total == psutil.virtual_memory().total
    assert snapshot.parts == (snapshot.system, part)


def test_a_driver_that_counts_processes_by_other_ids_does_not_mislead() -> None:
    """In a container or under WSL, NVML's process ids are not ours, or there are none."""
    for listed in ({4242: 5 * GB}, {}):
        with probe_of(Gpu(used=6 * GB, compute={**listed})) as probe:
            snapshot = probe.snapshot([OURS], DeviceList((cuda(),)), {"CUDA0": 5 * GB, CPU: GB})
        (part,) = snapshot.gpus
        assert snapshot.reason is None
        assert (part.used_by_models, part.used_by_others) == (5 * GB, GB)


def test_a_process_in_both_lists_counts_once() -> None:
    gpu = Gpu(used=3 * GB, compute={OURS: 2 * GB}, graphics={OURS: 2 * GB})
    with probe_of(gpu) as probe:
        assert probe.snapshot([OURS]).gpus[0].used_by_models == 2 * GB


def test_each_of_several_gpus_has_its_own_numbers() -> None:
    first = Gpu(used=6 * GB, compute={OURS: 5 * GB}, busy_percent=80, bus=1)
    second = Gpu(used=2 * GB, compute={OURS: 2 * GB}, busy_percent=40, celsius=55, bus=2)
    # ggml lists them the other way round.
    known = DeviceList((cuda(0, pci="0000:02:00.0"), cuda(1, pci="0000:01:00.0")))
    with probe_of(first, second) as probe:
        one, other = probe.snapshot([OURS], known, {"CUDA0": GB}).gpus
        unasked = probe.snapshot([OURS]).gpus
    assert (one.device, one.used_by_models, one.free) == ("CUDA0", 2 * GB, 22 * GB)
    assert (one.utilisation, one.celsius) == (0.4, 55.0)
    assert (other.device, other.used_by_models, other.used_by_others) == ("CUDA1", 5 * GB, GB)
    assert [(part.device, part.used_by_models) for part in unasked] == [("", 5 * GB), ("", 2 * GB)]


def test_models_that_are_not_on_the_gpu_are_shown_where_they_are() -> None:
    with probe_of(Gpu(used=GB, compute={1: GB})) as probe:
        known = DeviceList((cuda(),))
        assert probe.snapshot([], known).reason is None
        snapshot = probe.snapshot([os.getpid()], known, {CPU: GB})
    assert snapshot.system.used_by_models > 10_000_000
    assert snapshot.gpus[0].used_by_models == 0
    assert snapshot.reason == (
        "The loaded models are in system memory, not on the GPU (NVIDIA Test)."
    )
    assert not snapshot.has_unused_gpu  # it can be used: somebody chose not to


def test_a_driver_that_tells_less() -> None:
    # Windows keeps the amounts to itself; some GPUs have no graphics list and no utilisation.
    gpu = Gpu(used=3 * GB, compute={OURS: None}, graphics=None, busy_percent=None, celsius=None)
    with probe_of(gpu) as probe:
        (part,) = probe.snapshot([OURS]).gpus
    assert (part.used_by_models, part.used_by_others, part.free) == (0, 3 * GB, 21 * GB)
    assert (part.utilisation, part.celsius) == (None, None)
    assert part.note == "The NVIDIA driver does not say how much memory each program uses."


def test_a_gpu_that_is_lost_and_comes_back() -> None:
    library = ScriptedNvml(Gpu(used=GB))
    with MemoryProbe(NvmlProbe(library)) as probe:
        assert len(probe.snapshot().gpus) == 1
        library.failure = pynvml.NVML_ERROR_GPU_IS_LOST
        lost = probe.snapshot()
        assert (lost.gpus, lost.reason) == ((), "The NVIDIA driver does not answer: GPU is lost.")
        library.failure = None
        assert len(probe.snapshot().gpus) == 1


def test_the_driver_is_opened_once_and_closed_once() -> None:
    library = ScriptedNvml(Gpu())
    probe = MemoryProbe(NvmlProbe(library))
    for _ in range(3):
        probe.snapshot()
    probe.close()
    probe.close()
    after = probe.snapshot()
    assert (after.gpus, after.reason) == ((), None)
    assert (library.calls.count("init"), library.calls.count("shutdown")) == (1, 1)


def test_a_call_without_gpu_is_cheap(no_driver: MemoryProbe) -> None:
    durations = []
    for _ in range(50):
        begin = time.perf_counter()
        no_driver.snapshot([os.getpid(), os.getppid()])
        durations.append(time.perf_counter() - begin)
    assert sorted(durations)[25] < 0.003


def test_a_gpu_that_the_build_cannot_use_is_told_with_what_to_install(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with probe_of(Gpu(name="NVIDIA Test")) as probe:
        snapshot = probe.snapshot([os.getpid()], WITHOUT_GPU)
    assert (snapshot.gpus, snapshot.has_unused_gpu) == ((), True)
    assert caplog.messages == [snapshot.reason]  # `serve` tells it, too
    assert snapshot.reason is not None
    assert snapshot.reason.startswith(
        "Models run on the CPU: this build of llama.cpp cannot use NVIDIA Test."
    )
    assert "CMAKE_ARGS=-DGGML_CUDA=on" in snapshot.reason


def test_a_driver_that_does_not_work_is_told_with_what_to_do() -> None:
    with probe_of(failure=pynvml.NVML_ERROR_DRIVER_NOT_LOADED) as probe:
        assert not probe.snapshot().has_unused_gpu  # nobody knows yet what llama.cpp finds
        snapshot = probe.snapshot([], WITHOUT_GPU)
    assert snapshot.has_unused_gpu
    assert snapshot.reason == (
        "Models run on the CPU: the NVIDIA driver is installed, but it is not running. "
        "Restart the computer; if that does not help, install the newest driver."
    )


@pytest.mark.parametrize("placed", [NOTHING, {CPU: GB}])
def test_devices_that_are_not_known_are_not_said_to_be_unusable(placed: Needs) -> None:
    known = DeviceList(None, "It died (signal 11, SIGSEGV).")
    with probe_of(Gpu(name="NVIDIA Test")) as probe:
        snapshot = probe.snapshot([OURS], known, placed)
        on_gpu = probe.snapshot([OURS], known, {"CUDA0": GB})
    assert snapshot.has_unused_gpu
    assert snapshot.reason == (
        "Models run on the CPU: it is not known whether llama.cpp can use NVIDIA Test. "
        "It died (signal 11, SIGSEGV). "
        "Restart the computer; if that does not help, install the newest driver."
    )
    # What llama.cpp placed there, it can use.
    assert (on_gpu.reason, on_gpu.has_unused_gpu) == (None, False)
    assert on_gpu.gpus[0].used_by_models == 0  # nothing of it is in use, says the driver


def test_without_any_gpu_devices_that_are_not_known_are_only_a_reason() -> None:
    with MemoryProbe(None, SysfsProbe(NOWHERE, NOWHERE)) as probe:
        snapshot = probe.snapshot([], DeviceList(None, "It died."))
    assert snapshot.system.kind is GpuDevice.METAL or snapshot.reason == "It died."
    assert not snapshot.has_unused_gpu


def test_nothing_is_said_of_devices_that_nobody_asked_for() -> None:
    with probe_of(Gpu(used=3 * GB, compute={OURS: GB})) as probe:
        snapshot = probe.snapshot([OURS], UNASKED)
    (part,) = snapshot.gpus
    assert (part.device, part.used_by_models) == ("", GB)  # whose ledger it is, nobody knows
