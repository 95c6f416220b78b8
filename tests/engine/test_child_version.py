"""The app's package is updated while the app runs: engines started then are of another version."""

from __future__ import annotations

from pathlib import Path

import pytest

from minerva_desktop import __version__
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.process import child_command
from minerva_desktop.errors import EngineDied


async def test_an_engine_of_another_version_says_what_to_do(small_path: Path) -> None:
    """It was killed for the first message that could not be read, with all its answers."""
    *command, version, last = child_command()
    assert version == __version__
    engine = LlamaEngine(small_path, command=[*command, f"{version}.1", last])
    with pytest.raises(EngineDied) as died:
        await engine.load()
    assert died.value.message == (
        f"{small_path.name} cannot be loaded: Minerva was updated while it ran. Close it and start"
        " it again"
    )
    words = f"This engine is of Minerva {__version__}, what started it is not"
    assert died.value.detail == words
