"""Keeps PySide from reading the source of every module that is imported after it.

PySide looks into each for its own name, to know where its optional snake_case names (the
`__feature__` import) could be in use. We use none of them, and the look costs a start 60 ms and
8 MB (measured, PySide 6.11.3): `inspect` reads and keeps all the sources. `__main__` calls this
before it imports the window.

Upstream: https://bugreports.qt.io/browse/PYSIDE-2029 (why each imported module is inspected), and
https://github.com/napari/napari/issues/8584 (what it costs another application).
"""

from __future__ import annotations

import sys
from types import ModuleType

import PySide6.QtCore  # noqa: F401 - it brings the module that is changed here

_FEATURE = "shibokensupport.feature"
_SCAN = "_mod_uses_pyside"


def stop_import_scan() -> None:
    """Have no module looked into from now on. Does nothing where PySide works otherwise."""
    feature = sys.modules.get(_FEATURE)
    if hasattr(feature, _SCAN):
        setattr(feature, _SCAN, _uses_no_features)


def _uses_no_features(_module: ModuleType) -> bool:
    return False
