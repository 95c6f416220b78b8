"""Models that the engine's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.models import write_hybrid, write_recurrent


@pytest.fixture(scope="session")
def recurrent_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Mamba with random weights and the embedded model's vocabulary."""
    path = tmp_path_factory.mktemp("models") / "mamba.gguf"
    write_recurrent(path, model_path, seed=1)
    return path


@pytest.fixture(scope="session")
def hybrid_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Jamba: a layer like Mamba's and one with attention."""
    path = tmp_path_factory.mktemp("models") / "jamba.gguf"
    write_hybrid(path, model_path, seed=1)
    return path
