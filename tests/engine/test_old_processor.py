"""A processor that knows less than this build of llama.cpp asks of it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import EngineDied


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
async def test_an_instruction_that_it_lacks_is_told_in_words(small_path: Path) -> None:
    engine = LlamaEngine(small_path)
    await engine.load(512)
    stream = engine.generate("The sea", 400)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGILL)
    with pytest.raises(EngineDied, match="SIGILL") as caught:
        await stream.text()
    assert "built for processors that can do more than this one" in caught.value.message
    await engine.unload()
