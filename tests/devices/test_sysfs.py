"""AMD's and Intel's GPUs, from files laid out as the kernel lays them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.memory import MemoryProbe
from minerva_desktop.devices.sysfs import SysfsProbe

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
    assert (reading.name, reading.total, reading.free) == ("Radeon Test", 16 * GB, 11 * GB)
    assert reading.engine_pids == {OURS}
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


def test_the_gauge_shows_the_card_that_llama_cpp_uses(
    card: Path, probe: SysfsProbe, tmp_path: Path
) -> None:
    use(tmp_path, 3, client=7, kib=1_000_000)
    gpu = DeviceInfo(
        name="Vulkan0",
        description="Radeon Test",
        kind=GpuDevice.VULKAN,
        total_memory=16 * GB,
        free_memory=11 * GB,
    )
    with MemoryProbe(None, probe) as memory:
        snapshot = memory.snapshot([OURS], [gpu])
        assert (snapshot.kind, snapshot.device_name) == (GpuDevice.VULKAN, "Radeon Test")
        assert snapshot.used_by_models == 1_000_000 * 1024
        assert snapshot.used_by_others == 5 * GB - 1_000_000 * 1024
        assert snapshot.celsius == 61.0
        idle = memory.snapshot([OURS], [])
    assert idle.kind is not GpuDevice.VULKAN
    assert idle.has_unused_gpu
    assert "GGML_VULKAN" in str(idle.reason)
    assert card.exists()
