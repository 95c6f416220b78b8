"""The compute devices that ggml can use, with their memory, and which build of it this is.

Apart from `llama` because ggml's device functions are not in llama-cpp-python's bindings and have
to be declared here (ggml/include/ggml-backend.h). Engine child, main thread.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.driver import find_nvml
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.devices.gpu_reading import with_process_bytes
from minerva_desktop.engine.core.bindings import ggml, ggml_base, llama
from minerva_desktop.engine.messages import EngineBuild


class _Props(ctypes.Structure):
    """ggml_backend_dev_props; ``caps`` are five flags."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("memory_free", ctypes.c_size_t),
        ("memory_total", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("device_id", ctypes.c_char_p),
        ("caps", ctypes.c_bool * 5),
    )


_INTEGRATED = 2  # GGML_BACKEND_DEVICE_TYPE_IGPU
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
_PREFIXES = {
    "CUDA": GpuDevice.CUDA,
    "ROCM": GpuDevice.ROCM,
    "HIP": GpuDevice.ROCM,
    "MTL": GpuDevice.METAL,
    "METAL": GpuDevice.METAL,
    "VULKAN": GpuDevice.VULKAN,
    "SYCL": GpuDevice.SYCL,
}
# Behind the commit of a source that was changed before it was built, as the bindings' always is.
_PATCHED = "-dirty"


def list_devices() -> tuple[DeviceInfo, ...]:
    """Every device, the CPU too, in ggml's order. Asking a GPU driver may take 100 ms."""
    count = _function(ggml, "ggml_backend_dev_count", ctypes.c_size_t, [])()
    get = _function(ggml, "ggml_backend_dev_get", ctypes.c_void_p, [ctypes.c_size_t])
    return tuple(_describe(get(index)) for index in range(count))


def list_fresh_devices() -> tuple[DeviceInfo, ...]:
    """As `list_devices`, in a process that has used no GPU yet: with what using one takes."""
    nvml = find_nvml()
    if nvml is None:
        return list_devices()
    before = nvml.read(())
    nvml.close()
    return with_process_bytes(list_devices(), before)


def engine_build() -> EngineBuild:
    """Versions, and the abilities of the processor that it uses."""
    return EngineBuild(
        ggml=_told("ggml_version"),
        commit=_told("ggml_commit").removesuffix(_PATCHED),
        features=_text(llama.llama_print_system_info()).strip(),
    )


def _told(name: str) -> str:
    """What a function says that not every build has; empty where it is not there."""
    if not hasattr(ggml_base, name):
        return ""
    return _text(_function(ggml_base, name, ctypes.c_char_p, [])())


def _describe(device: int) -> DeviceInfo:
    props = _Props()
    arguments = [ctypes.c_void_p, ctypes.POINTER(_Props)]
    _function(ggml_base, "ggml_backend_dev_get_props", None, arguments)(device, ctypes.byref(props))
    name = _text(props.name)
    return DeviceInfo(
        name=name,
        description=_text(props.description).strip(),
        kind=_kind(name),
        total_memory=props.memory_total,
        free_memory=props.memory_free,
        is_integrated=props.type == _INTEGRATED,
        pci=_pci(_text(props.device_id)),
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _pci(device_id: str) -> str:
    """The address without what ggml adds for a part of a GPU (``-v1``); empty for other ids."""
    match = _ADDRESS.match(device_id.lower())
    return match[0] if match else ""


def _kind(name: str) -> GpuDevice:
    upper = name.upper()
    return next((kind for word, kind in _PREFIXES.items() if upper.startswith(word)), GpuDevice.CPU)


def _function(library: ctypes.CDLL, name: str, result: Any, arguments: list[Any]) -> Any:
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function
