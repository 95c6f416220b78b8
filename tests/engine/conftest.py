"""Models that the engine's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.architectures import SMALL, write_architecture
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


@pytest.fixture(scope="session")
def window_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Gemma 2, one of whose two layers looks back 256 tokens. A small part of what comes
    next is the token that was there last: the text depends on what attention sees."""
    path = tmp_path_factory.mktemp("models") / "gemma2.gguf"
    heeding = {"token_embd": 0.25, "attn_q": 2.0, "attn_k": 2.0}
    write_architecture(path, "gemma2", model_path, SMALL, heeding)
    return path
