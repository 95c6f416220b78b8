"""AMD's and Intel's GPUs, from files laid out as the kernel lays them out."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest

from minerva_desktop.app.memory import memory_reading
from minerva_desktop.devices.device_list import DeviceInfo, DeviceList
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.gpu_reading import GpuReading, Maker, match_readings
from minerva_desktop.devices.memory import MemoryProbe
from minerva_desktop.devices.nvml import NvmlProbe
from minerva_desktop.devices.pressure import shortages
from minerva_desktop.devices.sysfs import SysfsProbe
from tests.devices.nvml_script import Gpu, ScriptedNvml

GB = 10**9
OURS = 4242
ADDRESS = "0000:03:00.0"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """An AMD GPU with 16 GB, of which 5 are in use; the display's outputs are beside it."""
    device = tmp_path / "pci" / ADDRESS
    write(
        device,
        {
            "vendor": "0x1002",
            "product_name": "Radeon Test",
            "mem_info_vram_total": str(16 * GB),
            "mem_info_vram_used": str(5 * GB),
            "gpu_busy_percent": "37",
            "hwmon/hwmon3/temp1_input": "61000",
        },
    )
    for name in ("card0", "card0-DP-1", "renderD128"):
        (tmp_path / "drm" / name).mkdir(parents=True)
    (tmp_path / "drm" / "card0" / "device").symlink_to(device)
    return device


@pytest.fixture
def probe(tmp_path: Path) -> SysfsProbe:
    return SysfsProbe(tmp_path / "drm", tmp_path / "proc")


def use(tmp_path: Path, fd: int, *, client: int, kib: int, address: str = ADDRESS) -> None:
    text = f"drm-driver: amdgpu\ndrm-client-id: {client}\ndrm-pdev: {address}\n"
    text += f"drm-memory-vram: {kib} KiB\ndrm-memory-gtt: 9 KiB"
    write(tmp_path / "proc" / str(OURS) / "fdinfo", {str(fd): text})


def test_a_card_and_the_engines_share(card: Path, probe: SysfsProbe, tmp_path: Path) -> None:
    use(tmp_path, 3, client=7, kib=1_000_000)
    use(tmp_path, 4, client=7, kib=1_000_000)  # the same context once more
    use(tmp_path, 5, client=8, kib=500)
    use(tmp_path, 6, client=9, kib=77, address="0000:99:00.0")
    (reading,) = probe.read([OURS, 1])
    assert (reading.name, reading.total, reading.used) == ("Radeon Test", 16 * GB, 5 * GB)
    assert (reading.maker, reading.pci) == ("AMD", ADDRESS)
    assert reading.used_by_engines == 1_000_500 * 1024
    assert (reading.utilisation, reading.celsius) == (0.37, 61.0)
    assert card.exists()


def test_what_is_not_told_is_not_known(card: Path, probe: SysfsProbe) -> None:
    for name in ("product_name", "gpu_busy_percent", "hwmon/hwmon3/temp1_input"):
        (card / name).unlink()
    (reading,) = probe.read([])
    assert (reading.name, reading.utilisation, reading.celsius) == ("AMD GPU", None, None)


@pytest.mark.parametrize("vendor", ["0x10de", "0x1234", ""])
def test_cards_of_others_are_left_to_others(card: Path, probe: SysfsProbe, vendor: str) -> None:
    write(card, {"vendor": vendor})
    assert probe.read([]) == []


def test_a_card_without_memory_of_its_own(card: Path, probe: SysfsProbe) -> None:
    write(card, {"vendor": "0x8086"})
    (card / "mem_info_vram_total").unlink()
    assert probe.read([]) == []


def test_a_system_without_cards(tmp_path: Path) -> None:
    assert SysfsProbe(tmp_path / "none", tmp_path / "none").read([OURS]) == []


def test_intels_drivers_tell_less(card: Path, probe: SysfsProbe, tmp_path: Path) -> None:
    for file in card.glob("mem_info*"):
        file.unlink()
    write(card, {"vendor": "0x8086"})
    (card / "product_name").unlink()
    assert probe.read([]) == []  # i915 of the kernel's own tree
    assert probe.names() == ["Intel GPU"]
    write(card, {"tile0/physical_vram_size_bytes": str(8 * GB)})
    write(card, {"tile1/physical_vram_size_bytes": str(8 * GB)})
    text = f"drm-client-id: 3\ndrm-pdev: {ADDRESS}\ndrm-resident-vram0: 2 MiB\n"
    write(tmp_path / "proc" / str(OURS) / "fdinfo", {"4": text})
    (reading,) = probe.read([OURS])
    assert (reading.total, reading.used, reading.used_by_engines) == (16 * GB, None, 2 << 20)
    shutil.rmtree(card / "tile0")
    shutil.rmtree(card / "tile1")
    write(tmp_path / "drm" / "card0", {"lmem_total_bytes": str(6 * GB)})
    assert [reading.total for reading in probe.read([])] == [6 * GB]


def test_which_gpus_there_are(card: Path, probe: SysfsProbe, tmp_path: Path) -> None:
    assert probe.names() == ["Radeon Test"]
    for name, address, vendor in (
        ("card1", "0000:00:02.0", "0x8086"),  # Intel's processors have theirs there
        ("card2", "0000:04:00.0", "0x10de"),
        ("card3", "0000:05:00.0", "0x1af4"),  # a virtual machine's screen
    ):
        device = tmp_path / "pci" / address
        write(device, {"vendor": vendor})
        (tmp_path / "drm" / name).mkdir()
        (tmp_path / "drm" / name / "device").symlink_to(device)
    assert probe.names() == ["Radeon Test", "NVIDIA GPU"]
    assert card.exists()


# -- beside ggml's list ----------------------------------------------------------------------------


def vulkan(
    index: int = 0, *, description: str = "Radeon Test", pci: str = "", is_integrated: bool = False
) -> DeviceInfo:
    return DeviceInfo(
        name=f"Vulkan{index}",
        description=description,
        kind=GpuDevice.VULKAN,
        total_memory=16 * GB,
        free_memory=11 * GB,
        pci=pci,
        is_integrated=is_integrated,
    )


def test_the_gauge_shows_the_card_that_llama_cpp_uses(
    card: Path, probe: SysfsProbe, tmp_path: Path
) -> None:
    use(tmp_path, 3, client=7, kib=1_000_000)
    with MemoryProbe(None, probe) as memory:
        snapshot = memory.snapshot([OURS], DeviceList((vulkan(),)), {"Vulkan0": GB})
        (part,) = snapshot.gpus
        assert (part.kind, part.label) == (GpuDevice.VULKAN, "Radeon Test")
        assert part.used_by_models == 1_000_000 * 1024
        assert part.used_by_others == 5 * GB - 1_000_000 * 1024
        assert part.celsius == 61.0
        idle = memory.snapshot([OURS], DeviceList(()))
        unasked = memory.snapshot([OURS])
    assert (idle.gpus, idle.has_unused_gpu) == ((), True)
    assert "GGML_VULKAN" in str(idle.reason)
    assert unasked.gpus == ()  # it may be a piece of the system's memory
    assert card.exists()


def test_a_processors_own_gpu_counts_as_system_memory(card: Path, probe: SysfsProbe) -> None:
    """AMD's processors set a small piece of it apart, which is always full."""
    write(card, {"mem_info_vram_total": str(512 << 20), "mem_info_vram_used": str(495 << 20)})
    known = DeviceList((vulkan(is_integrated=True),))
    with MemoryProbe(None, probe) as memory:
        snapshot = memory.snapshot([OURS], known, {"CPU": GB})
    assert snapshot.system.total == psutil.virtual_memory().total
    assert snapshot.system.kind is GpuDevice.METAL or snapshot.reason == (
        "Radeon Test uses the system’s memory."
    )
    assert not snapshot.has_unused_gpu
    assert snapshot.gpus == ()
    assert all(shortage.device == "CPU" for shortage in shortages(snapshot))


def test_gpus_of_two_makers_are_shown_together(card: Path, probe: SysfsProbe) -> None:
    nvml = NvmlProbe(ScriptedNvml(Gpu(name="GeForce Test", used=6 * GB, bus=1)))
    # Vulkan lists them in its own order; the addresses tell which is which.
    gpus = (
        vulkan(0, description="AMD Radeon (RADV)", pci=ADDRESS),
        vulkan(1, description="NVIDIA something", pci="0000:01:00.0"),
    )
    placed = {"Vulkan0": 2 * GB, "Vulkan1": 3 * GB}
    with MemoryProbe(nvml, probe) as memory:
        snapshot = memory.snapshot([OURS], DeviceList(gpus), placed)
    amd, nvidia = snapshot.gpus
    assert (amd.device, amd.label, amd.used_by_models) == ("Vulkan0", "Radeon Test", 2 * GB)
    assert (amd.total, amd.free) == (16 * GB, 11 * GB)
    assert (nvidia.device, nvidia.label) == ("Vulkan1", "GeForce Test")
    assert (nvidia.used_by_models, nvidia.free) == (3 * GB, 18 * GB)
    ram, first, second = memory_reading(snapshot, {"CPU": 4 * GB, "Vulkan1": 20 * GB}).devices
    assert [ram.short, first.short, second.short] == ["RAM", "GPU 1", "GPU 2"]
    assert [ram.budget, first.budget, second.budget] == [4 * GB, None, 20 * GB]
    assert (first.name, first.used) == ("Radeon Test", 5 * GB)
    assert first.detail == "GPU 37 % busy, 61 °C"
    assert card.exists()


def test_a_gpu_whose_driver_tells_nothing_has_llama_cpps_numbers(
    card: Path, probe: SysfsProbe
) -> None:
    (card / "mem_info_vram_used").unlink()
    gpus = (vulkan(0), vulkan(1, description="Intel Arc", pci="0000:07:00.0"))
    with MemoryProbe(None, probe) as memory:
        snapshot = memory.snapshot([OURS], DeviceList(gpus), {"Vulkan1": 2 * GB})
    amd, intel = snapshot.gpus
    assert (amd.total, amd.free, amd.celsius) == (16 * GB, 11 * GB, 61.0)
    assert (intel.label, intel.used_by_models) == ("Intel Arc", 2 * GB)
    for part in (amd, intel):
        assert "not told by its driver" in part.note
        assert not part.is_fresh
    assert card.exists()


def test_a_driver_without_a_name_for_its_card_leaves_it_to_llama_cpp(
    card: Path, probe: SysfsProbe
) -> None:
    (card / "product_name").unlink()
    known = DeviceList((vulkan(description="AMD Radeon RX 7900 XTX (RADV NAVI31)"),))
    with MemoryProbe(None, probe) as memory:
        (part,) = memory.snapshot([], known).gpus
    assert part.label == "AMD Radeon RX 7900 XTX (RADV NAVI31)"
    assert part.is_fresh


def test_without_addresses_names_and_makers_tell_which_gpu_is_which() -> None:
    def reading(name: str, maker: Maker, total: int) -> GpuReading:
        return GpuReading(name=name, total=total, used=0, used_by_engines=0, maker=maker)

    readings = [
        reading("RTX 4090", "NVIDIA", 1),
        reading("RTX 3060", "NVIDIA", 2),
        reading("AMD GPU", "AMD", 3),
    ]
    gpus = (
        vulkan(0, description="AMD Radeon RX 7900 XTX (RADV NAVI31)"),
        vulkan(1, description="NVIDIA GeForce RTX 3060"),
        vulkan(2, description="NVIDIA GeForce RTX 4090"),
        vulkan(3, description="llvmpipe"),
    )
    matched = match_readings(readings, gpus)
    assert {name: one.total for name, one in matched.items()} == {
        "Vulkan0": 3,
        "Vulkan1": 2,
        "Vulkan2": 1,
    }
