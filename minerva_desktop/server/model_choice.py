"""Which model a request means, and its lease. Asyncio loop of the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from minerva_desktop.errors import GenerationTimeout, MinervaError, ModelNotFound
from minerva_desktop.library.model_file import ModelFile
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
    the load (None: as long as it takes). Raises `GenerationTimeout`, and what loading raises.

    A load that takes longer than its request goes on: the next one finds the model there.
    """
    is_loading = True
    try:
        async with asyncio.timeout(seconds), pool.lease(model.path) as engine:
            is_loading = False
            yield engine
    except TimeoutError:
        if seconds is None:
            raise
        why = f"it may take {seconds:g} s in all"
        if is_loading:
            why += f", and {model.model_id} is not loaded yet; its load goes on, so ask again"
        raise GenerationTimeout(f"Generation request timed out: {why}") from None
