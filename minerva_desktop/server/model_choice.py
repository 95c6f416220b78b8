"""Which model a request means, and its lease. Asyncio loop of the endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from minerva_desktop.chat.limits import Asked
from minerva_desktop.engine.messages import EMBEDS_ONLY
from minerva_desktop.engine.pool_entries import Patience
from minerva_desktop.errors import (
    ContextLimitExceeded,
    GenerationTimeout,
    InvalidRequest,
    MemoryInUse,
    ModelLoadError,
    ModelNotFound,
    OutOfMemory,
)
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.server.errors import ModelStillLoads
from minerva_desktop.server.request_info import request_info
from minerva_desktop.server.services import Engine, ServerContext

TOLD_SECONDS = 0.05  # what a load or files have to take to be named where the time is over
_MAX_NAMES = 10  # in an error's sentence


async def chosen_model(
    context: ServerContext, name: str | None, *, embeds: bool | None = False
) -> ModelFile:
    """The model of that ``name``. Without one, among those that write text (``embeds``: that make
    embeddings): the first that the endpoint was started with, else the only one that is loaded,
    else the only one that there is. ``embeds`` None: a model of either kind will do.

    Raises `InvalidRequest`, with the names, where that leaves several, and for a model that is
    known to be of the other kind, which is not loaded for that; `ModelNotFound`, or why the named
    model cannot be loaded.
    """
    if name is not None:
        model = await asyncio.to_thread(context.catalog.find, name)
        return _fitting(model, embeds=embeds)
    found = await _unnamed(context, embeds=embeds)
    if len(found) == 1:
        return _fitting(found[0], embeds=embeds)
    if embeds and not any(model.makes_embeddings for model in found):
        raise InvalidRequest("None of the models here makes embeddings", param="model")
    shown = [model.model_id for model in found[:_MAX_NAMES]]
    more = len(found) - len(shown)
    names = ", ".join(shown) + (f" and {more} more" if more else "")
    raise InvalidRequest(
        f"model is required, for more than one could answer. There are: {names}", param="model"
    )


def no_embeddings(model: ModelFile) -> InvalidRequest:
    """Why ``model`` cannot answer who asks for embeddings."""
    return InvalidRequest(f"model: {model.model_id} makes no embeddings", param="model")


def prompt_unknown(model: ModelFile) -> ModelNotFound:
    """Why a request's prompt cannot be shown: only its loaded model can write it."""
    return ModelNotFound(
        f"{model.model_id} is not loaded. The prompt can be shown while it is, for the model's own "
        "chat template makes it"
    )


def _fitting(model: ModelFile, *, embeds: bool | None) -> ModelFile:
    if embeds is None or model.capabilities is None or model.makes_embeddings is embeds:
        return model
    if embeds:
        raise no_embeddings(model)
    raise InvalidRequest(EMBEDS_ONLY, param="model")


async def described_model(context: ServerContext, name: str | None) -> ModelFile:
    """As `chosen_model`, for who only wants to know: where that leaves several, the one of them
    that was used last, or the library's first. Raises as `chosen_model` does, but for that."""
    if name is not None:
        return await asyncio.to_thread(context.catalog.find, name)
    return (await _unnamed(context, embeds=False))[0]


async def _unnamed(context: ServerContext, *, embeds: bool | None) -> Sequence[ModelFile]:
    """Those that a request without a name can mean, the most recently used first."""
    models = await asyncio.to_thread(context.catalog.models)
    if not models:
        return [await asyncio.to_thread(context.catalog.default)]  # says that there is none
    fitting = {each.path: each for each in models if each.makes_embeddings is bool(embeds)}
    for path in context.config.start_models:
        if path in fitting:
            return [fitting[path]]
    # What was opened by its path and never added is in no catalog: no client can name it.
    known = {each.path: each for each in models}
    loaded = [known[path] for path in tuple(context.pool.loaded()) if path in known]
    if embeds is None and len(loaded) == 1:
        return loaded
    return [each for each in loaded if each.path in fitting] or list(fitting.values()) or models


@asynccontextmanager
async def leased(
    context: ServerContext,
    model: ModelFile,
    seconds: float | None,
    scope: MutableMapping[str, Any],
    asked: Asked = Asked.ANSWER,
) -> AsyncIterator[Engine]:
    """The engine of ``model``, loaded if it was not, for a block that may take so many seconds with
    the load and the files of the request with that ASGI ``scope``, which are read (None: as long as
    it takes). Where requests that run hold the memory for it, it waits
    for their end. Raises `GenerationTimeout`, `MemoryInUse`, and what loading raises. What the
    block raises because the context is too small says so where others made it that small.

    A load that takes longer than its request goes on: the next one finds the model there.
    """
    is_loading = True
    patience = Patience()
    began = loaded = time.perf_counter()
    files_s = request_info(scope).files_s
    try:
        with context.activity.using(model.path):
            async with (
                asyncio.timeout(None if seconds is None else max(0.0, seconds - files_s)),
                context.pool.lease(model.path, patience=patience) as engine,
            ):
                is_loading = False
                loaded = time.perf_counter()
                yield engine
    except TimeoutError:
        if seconds is None:
            raise
        if is_loading and patience.waits_for:
            others = tuple(map(context.catalog.id_of, patience.waits_for))
            raise _memory_in_use(model, others, seconds) from None
        load_s = None if is_loading else loaded - began
        raise _timed_out(model, asked, seconds, files_s=files_s, load_s=load_s) from None
    except (OutOfMemory, InvalidRequest) as error:
        if not is_loading:
            raise
        raise _not_loaded(model, error) from error
    except ContextLimitExceeded as error:
        raise _context_too_small(context, model, error) from None


def _not_loaded(
    model: ModelFile, error: OutOfMemory | InvalidRequest
) -> OutOfMemory | ModelLoadError:
    """``error`` of a load. What is wrong with the load options is no fault of the client's."""
    if isinstance(error, OutOfMemory):
        needs = f" ({error.needs})" if error.needs else ""
        return OutOfMemory(
            f"{model.model_id} cannot be loaded. {error.message}{needs}. Let models take more "
            "memory, load it with a shorter context, or use a smaller model",
            detail=error.detail,
        )
    return ModelLoadError(
        f"{model.model_id} cannot be loaded as its load options are here: {error.message}",
        detail=error.detail,
    )


def _timed_out(
    model: ModelFile, asked: Asked, seconds: float, *, files_s: float, load_s: float | None
) -> GenerationTimeout:
    """``load_s``: how long it took until ``model`` was there; None where it is not."""
    why = f"it may take {seconds:g} s in all"
    if files_s >= TOLD_SECONDS:
        why += f", of which its files took {files_s:.1f} s"
    if load_s is None:
        why += f", and {model.model_id} is not loaded yet; its load goes on, so ask again"
        return ModelStillLoads(f"{asked} timed out: {why}")
    if load_s >= TOLD_SECONDS:
        why += f"; {load_s:.1f} s of them went by until {model.model_id} was there,"
        why += " and the answer was not done in the rest"
    else:
        why += ", and the answer was not done by then"
    return GenerationTimeout(f"{asked} timed out: {why}")


def _context_too_small(
    context: ServerContext, model: ModelFile, error: ContextLimitExceeded
) -> ContextLimitExceeded:
    """``error``, which knows of the context that ``model`` would get alone where that is enough."""
    n_ctx, required = context.pool.n_ctx_alone(model.path), error.required
    if n_ctx is None or required is None or required > n_ctx:
        return error
    return ContextLimitExceeded(
        f"{error.message}. {model.model_id} was loaded while others held memory; alone it gets a "
        f"context of {n_ctx:,} tokens. Unload it, so that it is loaded anew when they do not, or "
        "give it a fixed context",
        detail=error.detail,
        param=error.param,
    )


def _memory_in_use(model: ModelFile, others: Sequence[str], seconds: float) -> MemoryInUse:
    return MemoryInUse(
        f"{model.model_id} could not be used within {seconds:g} s: requests to "
        f"{', '.join(others)}, which came first, have its memory or wait for it. Ask again when "
        "they are over, let models take more memory, or use a smaller model"
    )
