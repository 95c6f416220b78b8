"""What the window asks of models: for answers, or of one that is loaded, without loading any. On
the pool's asyncio loop."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from minerva_desktop.app.context_use import ContextUse, PromptSource, read_context
from minerva_desktop.app.generation import AnswerRequest, patience
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.errors import LoadCancelled, MinervaError

Pool = ModelPool[LlamaEngine]
# Tokens at the end of a chat that its state on disk may lack.
MAX_COMPUTED = 512
# With one turn of each kind.
SAMPLE = (
    ChatTurn(Role.SYSTEM, "You are a helpful assistant."),
    ChatTurn(Role.USER, "Hello!"),
    ChatTurn(Role.ASSISTANT, "Hello. How can I help?"),
    ChatTurn(Role.USER, "Name a river."),
)

# What a template has to write, or the model never sees what is asked.
QUESTION = SAMPLE[-1].text

_log = logging.getLogger(__name__)


@asynccontextmanager
async def answering_engine(
    pool: Pool,
    request: AnswerRequest,
    on_wait: Callable[[tuple[Path, ...]], None],
    end: Callable[[], None],
) -> AsyncIterator[LlamaEngine]:
    """The engine that answers ``request``, for as long as the block runs. ``on_wait`` is called as
    `generation.patience` says; ``end`` where the request makes way, and a model is wanted or its
    own is unloaded: the block is to end soon then. Raises what leasing raises, and `LoadCancelled`
    where one that makes way cannot begin, or has no time left to end as cancelled."""
    path = request.model_path
    if not request.makes_way:
        async with pool.lease(path, patience=patience(on_wait)) as engine:
            yield engine
        return
    with pool.spare_time.use(path, end) as idle:
        if idle is None:
            raise LoadCancelled(f"{path.name} has something else to do")
        yield idle


async def is_loaded(pool: Pool, path: Path) -> bool:
    """Whether that model is ready."""
    return pool.loaded_engine(path) is not None


async def count_tokens(pool: Pool, path: Path, turns: tuple[ChatTurn, ...]) -> int | None:
    """Tokens of the prompt that ``turns`` make; None when the model is not loaded."""
    engine = pool.loaded_engine(path)
    return None if engine is None else await engine.count_tokens(turns)


async def count_text(pool: Pool, path: Path, text: str) -> int | None:
    """Tokens that ``text`` adds to a question; None when the model is not loaded."""
    engine = pool.loaded_engine(path)
    if engine is None:
        return None
    with_it = await engine.count_tokens((ChatTurn(Role.USER, text),))
    return max(1, with_it - await engine.count_tokens((ChatTurn(Role.USER, ""),)))


async def context_use(
    pool: Pool, path: Path, source: PromptSource, reserve: int | None
) -> ContextUse | None:
    """What a prompt fills of the context; None when the model is not loaded."""
    engine = pool.loaded_engine(path)
    return None if engine is None else await read_context(engine, source, reserve)


async def template_preview(pool: Pool, path: Path, template: str) -> str | None:
    """A small chat as ``template`` would write it; None when the model is not loaded. Raises
    `MinervaError` for a template that is broken, runs away, or does not take the chat."""
    engine = pool.loaded_engine(path)
    return None if engine is None else await engine.apply_template(SAMPLE, template=template)


async def idle_parameters(pool: Pool, path: Path) -> int | None:
    """How many parameters a model has that is loaded, while no model does anything; else None."""
    engine = pool.spare_time.engine(path)
    return None if engine is None else engine.get_context_info().n_params


async def warm_up(pool: Pool, request: AnswerRequest) -> None:
    """Have a loaded model read the state of the request's chat back from disk. Where that is not
    worth much (it is of other text, or of the model with other options), nothing is computed
    instead. What goes wrong changes nothing: the answer that comes computes it."""
    if pool.loaded_engine(request.model_path) is None or pool.is_in_use(request.model_path):
        return
    sampling = msgspec.structs.replace(request.sampling, max_tokens=0)
    try:
        async with pool.lease(request.model_path) as engine:
            stream = engine.generate(request.turns, sampling=sampling, snapshot=request.snapshot)
            try:
                async for _ in stream.batches():
                    done, total = stream.prefill
                    if total - max(done, stream.n_cached) > MAX_COMPUTED:
                        return
            finally:
                stream.cancel()
    except MinervaError as error:
        _log.info("A chat was not warmed up: %s", error.message)
