"""What a driver says of a GPU's memory, whoever makes it. Any thread."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of one GPU, or the sum of several. Memory in bytes.

    ``engine_pids``: those of the asked-for processes that are on the GPU. ``used_by_engines`` is
    None when the driver doesn't say how much they use. ``utilisation`` from 0.0 to 1.0 and
    ``celsius``, the temperature, are None when they are not told.
    """

    name: str
    total: int
    used: int
    free: int
    engine_pids: frozenset[int]
    used_by_engines: int | None
    utilisation: float | None
    celsius: float | None = None


def sum_readings(readings: Sequence[GpuReading]) -> GpuReading:
    """Several GPUs (at least one) as one; it is as warm as the warmest."""
    if len(readings) == 1:
        return readings[0]
    names = {reading.name for reading in readings}
    amounts = [reading.used_by_engines for reading in readings]
    busy = [reading.utilisation for reading in readings if reading.utilisation is not None]
    warm = [reading.celsius for reading in readings if reading.celsius is not None]
    return GpuReading(
        name=f"{len(readings)} × {names.pop()}" if len(names) == 1 else f"{len(readings)} GPUs",
        total=sum(reading.total for reading in readings),
        used=sum(reading.used for reading in readings),
        free=sum(reading.free for reading in readings),
        engine_pids=frozenset().union(*(reading.engine_pids for reading in readings)),
        used_by_engines=None if None in amounts else sum(amount or 0 for amount in amounts),
        utilisation=sum(busy) / len(busy) if busy else None,
        celsius=max(warm, default=None),
    )
