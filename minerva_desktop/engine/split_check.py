"""Whether a model can be split over the GPUs that there are. Asked by `minerva serve` at its start,
and by each load; any thread."""

from __future__ import annotations

from collections.abc import Iterable

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import InvalidRequest


def check_split(options: LoadOptions, devices: Iterable[DeviceInfo]) -> None:
    """Raise `InvalidRequest` where ``options`` have more shares than there are GPUs among the
    ``devices``."""
    n_gpus = sum(device.kind != GpuDevice.CPU for device in devices)
    n_shares = len(options.tensor_split)
    if n_shares > n_gpus:
        over = "1 GPU" if n_shares == 1 else f"{n_shares} GPUs"
        found = f"{n_gpus}" if n_gpus else "none"
        raise InvalidRequest(
            f"The model is to be split over {over}, but llama.cpp finds {found} that this build"
            " can use",
            param="tensor_split",
        )
