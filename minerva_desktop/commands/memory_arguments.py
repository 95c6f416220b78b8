"""How much memory the models that a command loads may take: its arguments, and what can be done
where that is not enough. On the command's asyncio loop."""

from __future__ import annotations

import argparse
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from minerva_desktop.app.load_words import begun
from minerva_desktop.app.memory_budgets import GB
from minerva_desktop.devices.ledgers import CPU, DeviceLedgers, Needs
from minerva_desktop.devices.system_memory import MemoryPart
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import OutOfMemory
from minerva_desktop.runtime import Runtime, memory_budget
from minerva_desktop.settings import MAX_GB, MIN_MEMORY_GB, Settings
from minerva_desktop.units import format_bytes


def add_memory_arguments(parser: argparse.ArgumentParser, *, force: str) -> None:
    """Let ``parser`` take the budget, and ``--force``, which does what ``force`` says beyond it."""
    parser.add_argument(
        "--memory-gb",
        type=_gigabytes,
        metavar="GB",
        help="system memory that models may take together, but never more than other programs"
        " leave (default: from the settings, or a quarter of it, half with Metal)",
    )
    parser.add_argument(
        "--force", action="store_true", help=f"{force} even where it takes more than that"
    )


def with_memory(settings: Settings, given: argparse.Namespace) -> Settings:
    """``settings`` with what the command line says, which wins."""
    if given.memory_gb is None:
        return settings
    return msgspec.structs.replace(settings, memory_gb=given.memory_gb)


@asynccontextmanager
async def named_model(runtime: Runtime, path: Path, *, forced: bool) -> AsyncIterator[LlamaEngine]:
    """`ModelPool.lease` of a model that a command was asked for by name. `OutOfMemory` then says
    what can be done, unless the system itself has no memory left."""
    async with AsyncExitStack() as kept:
        try:
            engine = await kept.enter_async_context(runtime.pool.lease(path, forced=forced))
        except OutOfMemory as error:
            plan = await runtime.fit_of(path)
            if not plan.missing:
                raise
            system = await runtime.system_memory()
            ledgers, reasons = runtime.pool.ledgers, plan.choice.reasons
            raise refusal(path, error, ledgers, plan.missing, system, reasons) from error
        yield engine


def refusal(
    path: Path,
    error: OutOfMemory,
    ledgers: DeviceLedgers,
    missing: Needs,
    system: MemoryPart,
    reasons: Sequence[str],
) -> OutOfMemory:
    """``error`` of the ``ledgers``, with what can be done: they lack what is ``missing`` (bytes by
    device) for loading ``path``. ``reasons`` are those of its `LoadChoice`, ``system`` is the
    memory now."""
    lines = [f"{begun(reason)}." for reason in reasons]
    if set(missing) == {CPU}:
        needed = ledgers.contexts[CPU].max_memory() + missing[CPU]
        most = memory_budget(needed, system)
        if most >= needed:
            n_gb = max(MIN_MEMORY_GB, math.ceil(needed * 100 / GB) / 100)
            lines.append(f"With --memory-gb {n_gb:g} models may take as much as it needs.")
        else:
            lines.append(f"Other programs leave no more than {format_bytes(most)} for models.")
    else:
        lines.append("Fewer layers on the GPU (--n-gpu-layers) take less of its memory.")
    lines.append("--force loads it all the same.")
    return OutOfMemory(f"{path.name}: {error.told}", detail="\n".join(lines))


def _gigabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not MIN_MEMORY_GB <= value <= MAX_GB:
        raise argparse.ArgumentTypeError(
            f"“{text}” is no number of gigabytes from {MIN_MEMORY_GB:g} on"
        )
    return value
