"""What `ps` shows of an engine child."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.process import child_command
from minerva_desktop.engine.process_title import PLACEHOLDER
from minerva_desktop.engine.spare import SpareChild

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="arguments stay as they are")


@pytest.mark.parametrize("is_spare", [False, True])
@pytest.mark.parametrize("name", ["my model.gguf", "ü" * 60 + ".gguf"])
async def test_a_child_shows_its_model_among_its_arguments(
    small_path: Path, tmp_path: Path, name: str, is_spare: bool
) -> None:
    path = tmp_path / name
    shutil.copy(small_path, path)
    spare = SpareChild()
    if is_spare:
        await spare.prepare()
    engine = LlamaEngine(path, spare=spare)
    await engine.load(options=LoadOptions(n_ctx=256))
    shown = Path(f"/proc/{engine.pid}/cmdline").read_bytes()
    before = "\0".join(child_command()).removesuffix(PLACEHOLDER).encode()
    written = name.encode()[: len(PLACEHOLDER)].ljust(len(PLACEHOLDER))
    assert shown == before + written + b"\0"
    assert await engine.generate("The sea", 2).text()
    await engine.unload()
