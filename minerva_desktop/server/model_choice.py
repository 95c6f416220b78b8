"""Which model a request means. Asyncio loop of the endpoint."""

from __future__ import annotations

import asyncio

from minerva_desktop.errors import MinervaError
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.services import ServerContext


async def chosen_model(context: ServerContext, name: str | None) -> ModelFile:
    """The model of that ``name``. Without one: the loaded model that was used last (the only one,
    mostly), else the catalog's default.

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
    return await asyncio.to_thread(catalog.default)
