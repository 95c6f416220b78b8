"""A model's file that is cut while its model is in use."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import EngineDied

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows locks mapped files")

EXPLANATION = "its file was changed or cut while in use: put the whole file back"


async def test_the_death_of_a_mapped_model_says_what_happened_and_what_to_do(
    small_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.gguf"
    shutil.copy(small_path, path)
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=512, use_mmap=True))
    os.truncate(path, 4096)
    with pytest.raises(EngineDied, match="SIGBUS") as caught:
        await engine.generate("The sea", 200).text()
    assert EXPLANATION in caught.value.message
    assert caught.value.message.startswith("The engine that ran cut.gguf stopped")
    await engine.unload()


async def test_where_the_file_is_not_mapped_it_is_not_blamed(
    small_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.gguf"
    shutil.copy(small_path, path)
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=512, use_mmap=False))
    os.truncate(path, 4096)
    assert await engine.generate("The sea", 4).text()
    stream = engine.generate("The sea", 400)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGBUS)
    with pytest.raises(EngineDied, match="SIGBUS") as caught:
        await stream.text()
    assert EXPLANATION not in caught.value.message
    await engine.unload()
