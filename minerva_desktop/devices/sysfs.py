"""GPUs as Linux shows them in ``/sys/class/drm``, with who uses the memory of AMD's and Intel's.

Used by `memory`, on its thread. Nothing here fails: what cannot be read is not known.

Files and units: the kernel's documentation of amdgpu (``mem_info_vram_total``,
``mem_info_vram_used`` in bytes, ``gpu_busy_percent``), of hwmon (``temp1_input`` in 1/1000 °C) and
of drm-usage-stats (``drm-memory-vram``, ``drm-resident-vram0`` or ``-local0`` in
``/proc/PID/fdinfo``). Intel's drivers tell less: xe the size of the memory of each tile
(``tile0/physical_vram_size_bytes``), i915 that only where it comes from outside the kernel's tree
(``lmem_total_bytes``), and neither what is used of it. ggml has to tell that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from minerva_desktop.devices.gpu_reading import GpuReading, Maker

DRM = Path("/sys/class/drm")
PROC = Path("/proc")
_CARD = re.compile(r"card\d+")
_MAKERS: Mapping[str, Maker] = MappingProxyType(
    {"0x1002": "AMD", "0x8086": "Intel", "0x10de": "NVIDIA"}
)
NVIDIA_GPU = "NVIDIA GPU"  # the name of each of them: only NVIDIA's own driver knows more
_INTEGRATED_INTEL = re.compile(r"^[0-9a-f]+:00:02\.")  # where Intel's processors have their GPU
_VRAM = re.compile(
    r"^drm-(?:memory|resident)-(?:vram|local)\d*:\s*(\d+)\s*(KiB|MiB|)\s*$", re.MULTILINE
)
_CLIENT = re.compile(r"^drm-client-id:\s*(\d+)", re.MULTILINE)
_CARD_OF = re.compile(r"^drm-pdev:\s*(\S+)", re.MULTILINE)
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}


class SysfsProbe:
    """Reads what there is of GPUs. One thread at a time."""

    def __init__(self, drm: Path = DRM, proc: Path = PROC) -> None:
        """``drm`` and ``proc``: where the kernel shows its files."""
        self._drm = drm
        self._proc = proc

    def read(self, engine_pids: Collection[int]) -> list[GpuReading]:
        """One reading for each GPU of AMD and Intel that tells its size, in the kernel's order;
        empty where there is none. An AMD processor's own GPU tells the size of the piece of the
        system's memory that the firmware set apart for it."""
        readings = (self._read_card(device, engine_pids) for device in self._devices())
        return [reading for reading in readings if reading is not None]

    def names(self) -> list[str]:
        """All GPUs that could run models well, those too of which nothing can be read."""
        return [
            _name(device)
            for device in self._devices()
            if _maker(device) is not None and not _INTEGRATED_INTEL.match(device.resolve().name)
        ]

    def _devices(self) -> list[Path]:
        try:
            cards = sorted(card for card in self._drm.iterdir() if _CARD.fullmatch(card.name))
        except OSError:
            return []
        return [card / "device" for card in cards]

    def _read_card(self, device: Path, engine_pids: Collection[int]) -> GpuReading | None:
        maker, total = _maker(device), _total(device)
        if maker not in ("AMD", "Intel") or not total:
            return None
        used = _number(device / "mem_info_vram_used")
        busy = _number(device / "gpu_busy_percent")
        return GpuReading(
            name=_name(device),
            total=total,
            used=None if used is None else min(used, total),
            used_by_engines=sum(self._used_by(pid, device) for pid in engine_pids),
            utilisation=None if busy is None else min(busy, 100) / 100,
            celsius=_temperature(device),
            pci=device.resolve().name,
            maker=maker,
        )

    def _used_by(self, pid: int, device: Path) -> int:
        """Bytes of the GPU's memory in a process; a context open in several files counts once."""
        address = device.resolve().name
        used: dict[str, int] = {}
        try:
            files = list((self._proc / str(pid) / "fdinfo").iterdir())
        except OSError:
            return 0
        for file in files:
            text = _text(file)
            card, client = _CARD_OF.search(text), _CLIENT.search(text)
            if card is None or client is None or card[1] != address:
                continue
            amounts = [int(number) * _UNITS[unit] for number, unit in _VRAM.findall(text)]
            used[client[1]] = max(amounts, default=0)
        return sum(used.values())


def _maker(device: Path) -> Maker | None:
    return _MAKERS.get(_text(device / "vendor"))


def _name(device: Path) -> str:
    return _text(device / "product_name") or f"{_maker(device)} GPU"


def _total(device: Path) -> int:
    """Bytes of its own memory; 0 where it has none, or does not tell."""
    tiles = [_number(file) or 0 for file in device.glob("tile*/physical_vram_size_bytes")]
    return (
        _number(device / "mem_info_vram_total")
        or sum(tiles)
        or _number(device.parent / "lmem_total_bytes")
        or 0
    )


def _temperature(device: Path) -> float | None:
    """Degrees Celsius of the first sensor."""
    for sensor in sorted(device.glob("hwmon/hwmon*/temp1_input")):
        value = _number(sensor)
        if value is not None:
            return value / 1000
    return None


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
