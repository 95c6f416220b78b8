"""How llama.cpp's libraries come into an engine child; in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LOADED = """
import json
from pathlib import Path
from minerva_desktop.engine.core.backend_devices import list_devices
devices = [device.name for device in list_devices()]
maps = Path("/proc/self/maps").read_text().splitlines()
files = {line.split()[-1] for line in maps if "libggml" in line}
print(json.dumps([devices, sorted(Path(file).name.split(".so")[0] for file in files)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_there_is_one_ggml_and_its_devices_are_those_that_llama_cpp_uses() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60
    )
    devices, libraries = json.loads(done.stdout)
    assert "CPU" in devices
    assert libraries == sorted(set(libraries))
    assert "libggml-base" in libraries
