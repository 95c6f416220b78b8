"""llama.cpp's functions, without the rest of the llama-cpp-python package.

`import llama_cpp` also runs its high-level half, which costs 0.65 s and 22 MB (NumPy, diskcache,
Jinja; measured with 0.3.36). The engine needs only the ctypes layer, `llama_cpp.llama_cpp`:
0.10 s. A bare package object in ``sys.modules`` lets that submodule be imported on its own.

A build for one machine holds ggml's backends. One for many (``GGML_BACKEND_DL``) has each in a
library of its own beside llama.cpp's: those that this machine can use are loaded with it.
Imported in the engine child only; the import loads the native library.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
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
    if sys.platform == "win32":
        loader = importlib.import_module(f"{PACKAGE}._ctypes_extensions")
        library: ctypes.CDLL = loader.load_shared_library(name, folder)
        return library
    # Through llama.cpp's own library, which finds the names of those that it is linked to. The
    # package holds each library under several names as files of their own: `libggml.so` by path
    # would be a second ggml, with other devices than the one that llama.cpp uses.
    return ctypes.CDLL(llama._lib._name)


def _load_backends(folder: Path) -> None:
    """Load ggml's backends where none is built in: of those for processors the one that suits."""
    count = ggml.ggml_backend_reg_count
    count.restype = ctypes.c_size_t
    if count():
        return
    load = ggml.ggml_backend_load_all_from_path
    load.restype, load.argtypes = None, [ctypes.c_char_p]
    load(os.fsencode(folder))
    if not count():
        raise ModelLoadError(
            "llama.cpp has no part that computes on this processor: install Minerva anew, or run "
            "it from source, which builds llama.cpp for this machine",
            detail=f"No backend in {folder} could be loaded",
        )


_spec = _find_package()
_folder = Path((_spec.submodule_search_locations or [""])[0]) / "lib"
llama: Any = _import_low_level(_spec)
ggml: ctypes.CDLL = _import_library("ggml", _folder)
ggml_base: ctypes.CDLL = _import_library("ggml-base", _folder)
_load_backends(_folder)
