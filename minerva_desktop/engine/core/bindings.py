"""llama.cpp's functions, without the rest of the llama-cpp-python package.

`import llama_cpp` also runs its high-level half, which costs 0.65 s and 22 MB (NumPy, diskcache,
Jinja; measured with 0.3.36). The engine needs only the ctypes layer, `llama_cpp.llama_cpp`:
0.10 s. A bare package object in ``sys.modules`` lets that submodule be imported on its own.
Imported in the engine child only; the import loads the native library.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from minerva_desktop.errors import ModelLoadError

PACKAGE = "llama_cpp"


def _find_package() -> ModuleSpec:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelLoadError("The llama.cpp bindings (llama-cpp-python) are not installed")
    return spec


def _import_low_level(spec: ModuleSpec) -> Any:
    package = ModuleType(PACKAGE)
    package.__spec__ = spec  # so that others can still look the package up
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[PACKAGE] = package
    return importlib.import_module(f"{PACKAGE}.llama_cpp")


def _import_library(name: str, folder: Path) -> ctypes.CDLL:
    loader = importlib.import_module(f"{PACKAGE}._ctypes_extensions")
    library: ctypes.CDLL = loader.load_shared_library(name, folder / "lib")
    return library


_spec = _find_package()
_folder = Path((_spec.submodule_search_locations or [""])[0])
llama: Any = _import_low_level(_spec)
ggml: ctypes.CDLL = _import_library("ggml", _folder)
ggml_base: ctypes.CDLL = _import_library("ggml-base", _folder)
