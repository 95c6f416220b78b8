"""What the window asks of a loaded model; none is loaded for it. On the pool's asyncio loop."""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.app.context_use import ContextUse, PromptSource, read_context
from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.pool import ModelPool

Pool = ModelPool[LlamaEngine]


async def is_loaded(pool: Pool, path: Path) -> bool:
    """Whether that model is ready."""
    return pool.loaded_engine(path) is not None


async def count_tokens(pool: Pool, path: Path, turns: tuple[ChatTurn, ...]) -> int | None:
    """Tokens of the prompt that ``turns`` make; None when the model is not loaded."""
    engine = pool.loaded_engine(path)
    return None if engine is None else await engine.count_tokens(turns)


async def context_use(
    pool: Pool, path: Path, source: PromptSource, reserve: int | None
) -> ContextUse | None:
    """What a prompt fills of the context; None when the model is not loaded."""
    engine = pool.loaded_engine(path)
    return None if engine is None else await read_context(engine, source, reserve)


async def idle_parameters(pool: Pool, path: Path) -> int | None:
    """How many parameters a model has that is loaded and does nothing; None for another."""
    engine = pool.loaded_engine(path)
    if engine is None or pool.is_in_use(path):
        return None
    return engine.get_context_info().n_params
