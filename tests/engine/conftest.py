"""Models that the engine's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.architectures import HEEDING, QUANTISED, SMALL, write_architecture
from tests.engine.kept_chats import Chats
from tests.engine.models import write_hybrid, write_recurrent


@pytest.fixture(scope="session")
def recurrent_path(vocabulary_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Mamba with random weights."""
    path = tmp_path_factory.mktemp("models") / "mamba.gguf"
    write_recurrent(path, vocabulary_path, seed=1)
    return path


@pytest.fixture(scope="session")
def hybrid_path(vocabulary_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Jamba: a layer like Mamba's and one with attention."""
    path = tmp_path_factory.mktemp("models") / "jamba.gguf"
    write_hybrid(path, vocabulary_path, seed=1)
    return path


@pytest.fixture(scope="session")
def window_path(vocabulary_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Gemma 2, one of whose two layers looks back 256 tokens. A small part of what comes
    next is the token that was there last: the text depends on what attention sees."""
    path = tmp_path_factory.mktemp("models") / "gemma2.gguf"
    heeding = {"token_embd": 0.25, "attn_q": 2.0, "attn_k": 2.0}
    write_architecture(path, "gemma2", vocabulary_path, SMALL, heeding)
    return path


@pytest.fixture(scope="session")
def quantised_path(vocabulary_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small llama with layers and weights of the embedded model's sizes and type, for what
    depends on how ggml rounds them and not on what is said: a row has the same numbers among others
    as alone. It computes a prompt ten times faster, and each token depends on all before it."""
    path = tmp_path_factory.mktemp("models") / "quantised.gguf"
    write_architecture(path, "llama", vocabulary_path, QUANTISED, HEEDING)
    return path


@pytest.fixture
async def chats(tmp_path: Path) -> AsyncIterator[Chats]:
    chats = Chats(tmp_path / "snapshots")
    yield chats
    if chats.engine is not None:
        await chats.engine.unload()
