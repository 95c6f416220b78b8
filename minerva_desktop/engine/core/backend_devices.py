"""The compute devices that this build of ggml can use, with their memory.

Apart from `llama` because ggml's device functions are not in llama-cpp-python's bindings and have
to be declared here (ggml/include/ggml-backend.h). Engine child, main thread.
"""

from __future__ import annotations

import ctypes
from typing import Any

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.engine.core.bindings import ggml, ggml_base

_INTEGRATED = 2  # GGML_BACKEND_DEVICE_TYPE_IGPU
_PREFIXES = {
    "CUDA": GpuDevice.CUDA,
    "ROCM": GpuDevice.ROCM,
    "HIP": GpuDevice.ROCM,
    "MTL": GpuDevice.METAL,
    "METAL": GpuDevice.METAL,
    "VULKAN": GpuDevice.VULKAN,
    "SYCL": GpuDevice.SYCL,
}


def list_devices() -> tuple[DeviceInfo, ...]:
    """Every device, the CPU too, in ggml's order. Asking a GPU driver may take 100 ms."""
    count = _function(ggml, "ggml_backend_dev_count", ctypes.c_size_t, [])()
    get = _function(ggml, "ggml_backend_dev_get", ctypes.c_void_p, [ctypes.c_size_t])
    return tuple(_describe(get(index)) for index in range(count))


def _describe(device: int) -> DeviceInfo:
    text = [ctypes.c_void_p]
    name = _function(ggml_base, "ggml_backend_dev_name", ctypes.c_char_p, text)(device)
    words = _function(ggml_base, "ggml_backend_dev_description", ctypes.c_char_p, text)(device)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    size = ctypes.POINTER(ctypes.c_size_t)
    _function(ggml_base, "ggml_backend_dev_memory", None, [ctypes.c_void_p, size, size])(
        device, ctypes.byref(free), ctypes.byref(total)
    )
    kind_of = _function(ggml_base, "ggml_backend_dev_type", ctypes.c_int, text)
    label = name.decode("utf-8", "replace")
    return DeviceInfo(
        name=label,
        description=words.decode("utf-8", "replace").strip(),
        kind=_kind(label),
        total_memory=total.value,
        free_memory=free.value,
        is_integrated=kind_of(device) == _INTEGRATED,
    )


def _kind(name: str) -> GpuDevice:
    upper = name.upper()
    return next((kind for word, kind in _PREFIXES.items() if upper.startswith(word)), GpuDevice.CPU)


def _function(library: ctypes.CDLL, name: str, result: Any, arguments: list[Any]) -> Any:
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function
