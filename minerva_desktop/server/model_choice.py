"""Which model a request means, and its lease. Asyncio loop of the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.errors import (
    GenerationTimeout,
    MemoryInUse,
    MinervaError,
    ModelNotFound,
    OutOfMemory,
)
from minerva_desktop.library.model_file import ModelFile, model_id_of
from minerva_desktop.server.services import Engine, Pool, ServerContext


async def chosen_model(context: ServerContext, name: str | None) -> ModelFile:
    """The model of that ``name``. Without one: the loaded model that was used last (the only one,
    mostly), else the catalog's default, or any where none writes text.

    Raises `ModelNotFound`, or why the named model cannot be loaded.
    """
    catalog = context.catalog
    if name is not None:
        return await asyncio.to_thread(catalog.find, name)
    for path in tuple(context.pool.loaded()):
        try:
            return await asyncio.to_thread(catalog.find, path)
        except MinervaError:
            pass  # opened by its path and never added, or gone since: no client can name it
    try:
        return await asyncio.to_thread(catalog.default)
    except ModelNotFound:
        models = await asyncio.to_thread(catalog.models)
        if not models:
            raise
        return models[0]


@asynccontextmanager
async def leased(pool: Pool, model: ModelFile, seconds: float | None) -> AsyncIterator[Engine]:
    """The engine of ``model``, loaded if it was not, for a block that may take so many seconds with
    the load (None: as long as it takes). Where requests that run hold the memory for it, it waits
    for their end. Raises `GenerationTimeout`, `MemoryInUse`, and what loading raises.

    A load that takes longer than its request goes on: the next one finds the model there.
    """
    is_loading = True
    patience = Patience()
    try:
        async with asyncio.timeout(seconds), pool.lease(model.path, patience=patience) as engine:
            is_loading = False
            yield engine
    except TimeoutError:
        if seconds is None:
            raise
        if is_loading and patience.waits_for:
            raise _memory_in_use(model, patience, seconds) from None
        why = f"it may take {seconds:g} s in all"
        if is_loading:
            why += f", and {model.model_id} is not loaded yet; its load goes on, so ask again"
        raise GenerationTimeout(f"Generation request timed out: {why}") from None
    except OutOfMemory as error:
        if not is_loading:
            raise
        raise OutOfMemory(
            f"{model.model_id} cannot be loaded. {error.message}. Let models take more memory, "
            "load it with a shorter context, or use a smaller model",
            detail=error.detail,
        ) from error


def _memory_in_use(model: ModelFile, patience: Patience, seconds: float) -> MemoryInUse:
    others = ", ".join(model_id_of(path) for path in patience.waits_for)
    return MemoryInUse(
        f"{model.model_id} could not be loaded within {seconds:g} s: the memory for it is in use "
        f"by running requests to {others}. Ask again when they are over, let models take more "
        "memory, or use a smaller model"
    )
