"""GPUs of AMD and Intel as Linux shows them in ``/sys/class/drm``, with who uses their memory.

Used by `memory`, on its thread, where no NVIDIA driver answers. Nothing here fails: what cannot be
read is not known. Files and units: the kernel's documentation of amdgpu (``mem_info_vram_total``,
``mem_info_vram_used`` in bytes, ``gpu_busy_percent``), of hwmon (``temp1_input`` in 1/1000 °C) and
of drm-usage-stats (``drm-memory-vram`` and ``drm-resident-vram0`` in ``/proc/PID/fdinfo``).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from minerva_desktop.devices.gpu_reading import GpuReading

DRM = Path("/sys/class/drm")
PROC = Path("/proc")
_CARD = re.compile(r"card\d+")
_MAKERS = {"0x1002": "AMD GPU", "0x8086": "Intel GPU"}
_VRAM = re.compile(r"^drm-(?:memory|resident)-vram\d*:\s*(\d+)\s*(KiB|MiB|)\s*$", re.MULTILINE)
_CLIENT = re.compile(r"^drm-client-id:\s*(\d+)", re.MULTILINE)
_CARD_OF = re.compile(r"^drm-pdev:\s*(\S+)", re.MULTILINE)
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}


class SysfsProbe:
    """Reads the GPUs that have memory of their own. One thread at a time."""

    def __init__(self, drm: Path = DRM, proc: Path = PROC) -> None:
        """``drm`` and ``proc``: where the kernel shows its files."""
        self._drm = drm
        self._proc = proc

    def read(self, engine_pids: Collection[int]) -> list[GpuReading]:
        """One reading for each GPU, in the kernel's order; empty where there is none."""
        try:
            cards = sorted(card for card in self._drm.iterdir() if _CARD.fullmatch(card.name))
        except OSError:
            return []
        readings = (self._read_card(card / "device", engine_pids) for card in cards)
        return [reading for reading in readings if reading is not None]

    def _read_card(self, device: Path, engine_pids: Collection[int]) -> GpuReading | None:
        maker = _MAKERS.get(_text(device / "vendor"))
        total = _number(device / "mem_info_vram_total")
        if maker is None or not total:
            return None
        used = min(_number(device / "mem_info_vram_used") or 0, total)
        busy = _number(device / "gpu_busy_percent")
        by_pid = {pid: self._used_by(pid, device) for pid in engine_pids}
        ours = {pid: n_bytes for pid, n_bytes in by_pid.items() if n_bytes}
        return GpuReading(
            name=_text(device / "product_name") or maker,
            total=total,
            used=used,
            free=total - used,
            engine_pids=frozenset(ours),
            used_by_engines=sum(ours.values()),
            utilisation=None if busy is None else min(busy, 100) / 100,
            celsius=_temperature(device),
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
