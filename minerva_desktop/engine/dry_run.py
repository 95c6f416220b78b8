"""Asks a spare engine child what llama.cpp would take for a load, and whether it would succeed. On
the asyncio loop of the engines.

A file that kills llama.cpp kills that child only. Without an answer, an estimate must do.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from minerva_desktop.engine.child_version import app_replaced
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.memory_messages import DryRun, SimulatedContext, TryLoad
from minerva_desktop.engine.messages import DryRunDone
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.spare_question import NoAnswerError, ask
from minerva_desktop.errors import AppReplaced, InvalidRequest, ModelLoadError, ModelNotFound

_log = logging.getLogger(__name__)

DRY_RUN_SECONDS = 2.0  # somebody waits for a load meanwhile
_CPU_ONLY = frozenset({"CPU"})
_NOT_TRIED = "whether it loads is not known:"


async def dry_run(
    children: SpareChild,
    path: Path,
    options: LoadOptions,
    lengths: Sequence[int],
    seconds: float = DRY_RUN_SECONDS,
) -> tuple[SimulatedContext, ...]:
    """What contexts of these ``lengths`` (tokens) would take with ``options``; nothing, and a
    logged reason, when llama.cpp could not say within ``seconds``.

    Raises `AppReplaced`, `ModelLoadError` or `ModelNotFound` for a file that llama.cpp refuses, and
    `InvalidRequest` for options that the model cannot honour: no estimate helps a load that cannot
    succeed, and no other model should go for it.
    """
    request = DryRun(os.fsencode(path), options, tuple(lengths))
    try:
        answer, child = await ask(children, request, DryRunDone, seconds)
    except OSError as error:
        return _unknown(path, f"the engine process could not be started: {error}")
    except AppReplaced as error:
        raise app_replaced(error.detail, path.name) from error
    except NoAnswerError as failure:
        # Hundreds of lines: for the log file, not for whoever waits at a terminal.
        _log.info("What that process wrote: %s", failure.last_words)
        return _unknown(path, f"the process {failure}")
    devices = {name for context in answer.contexts for name in context.compute}
    if answer.error is None and devices == _CPU_ONLY:
        await children.put_back(child)  # it is as it was, and the load is about to need one
    else:
        await child.close()  # it holds on to a GPU's memory, or is in doubt
    if answer.error is None:
        return answer.contexts
    why = answer.error.to_error()
    if isinstance(why, InvalidRequest | ModelLoadError | ModelNotFound):
        raise why
    return _unknown(path, why.message)


async def try_load(
    children: SpareChild, path: Path, options: LoadOptions, seconds: float
) -> tuple[str, ...]:
    """What to beware of with the model at ``path``, loaded with ``options``, in sentences; also
    that it could not be tried, when no child could say within ``seconds`` whether it loads.

    Raises what loading it raises, as far as that is known without its weights, and `ModelLoadError`
    for a file that kills llama.cpp.
    """
    request = TryLoad(os.fsencode(path), options)
    try:
        answer, child = await ask(children, request, DryRunDone, seconds)
    except OSError as error:
        return (f"{_NOT_TRIED} the engine process could not be started: {error}",)
    except AppReplaced as error:
        raise app_replaced(error.detail, path.name) from error
    except NoAnswerError as failure:
        how = f"the process that tried it {failure}"
        if failure.hung:
            return (f"{_NOT_TRIED} {how}",)
        message = f"{path.name} does not load: {how}"
        raise ModelLoadError(message, detail=failure.last_words) from failure
    await child.close()
    if answer.error is not None:
        raise answer.error.to_error()
    return answer.warnings


def _unknown(path: Path, why: str) -> tuple[SimulatedContext, ...]:
    _log.warning("The memory of %s is estimated without a dry run: %s", path.name, why)
    return ()
