"""The loaded models as the window shows them: what each holds, how fast it is, how long it stays.

Made on the pool's loop by `ui.engine_worker`; the values then go to the window's thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from minerva_desktop.devices.ledgers import CPU, Needs
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.engine.pool_events import PooledEngine

SPEED_SECONDS = 3.0  # how far back "now" reaches; less jumps about, more is stale


class TimeToLive(msgspec.Struct, frozen=True):
    """After how many idle ``seconds`` a model is unloaded (None: never), and whether that
    ``is_own``: chosen for this model instead of holding for all of them."""

    seconds: float | None
    is_own: bool


class HeldMemory(msgspec.Struct, frozen=True):
    """What a model holds of the memory of one ``device`` (its ledger's name), in bytes."""

    device: str
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it together."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes


class LoadedModel(msgspec.Struct, frozen=True):
    """One loaded model. ``held``: what it holds of each memory, as llama.cpp measured it.
    ``tokens_per_second`` is None while it generates nothing. ``n_ctx`` in tokens; of ``n_layers``
    (the output layer counts as one) ``n_gpu_layers`` are on GPUs. ``reasons`` are sentences on what
    had to give for it to fit; ``note``: what became of its file, if that is no longer the same."""

    path: Path
    name: str
    held: tuple[HeldMemory, ...]
    pinned: bool
    in_use: bool
    time_to_live: TimeToLive
    tokens_per_second: float | None
    n_ctx: int
    n_layers: int
    n_gpu_layers: int
    reasons: tuple[str, ...] = ()
    note: str = ""

    @property
    def total(self) -> HeldMemory:
        """What it holds of all memory together."""
        return HeldMemory(
            "",
            sum(held.weights_bytes for held in self.held),
            sum(held.kv_bytes for held in self.held),
            sum(held.compute_bytes for held in self.held),
        )

    def held_on(self, device: str) -> HeldMemory:
        """What it holds of the memory of ``device``, which may be nothing."""
        none = HeldMemory(device, 0, 0, 0)
        return next((held for held in self.held if held.device == device), none)


class DescribedEngine(PooledEngine, Protocol):
    """An engine that tells what it has loaded; `LlamaEngine` is one."""

    @property
    def n_generated(self) -> int:
        """Tokens of all answers since the load."""

    def get_context_info(self) -> ContextInfo:
        """What is loaded; raises `InferenceError` when nothing is."""


EngineT = TypeVar("EngineT", bound=DescribedEngine)


class TokenSpeeds:
    """Tokens per second of each model over the last `SPEED_SECONDS`, all its answers together.

    One thread only.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` counts seconds."""
        self._clock = clock
        self._looks: dict[Path, deque[tuple[float, int]]] = {}

    def look(self, path: Path, n_generated: int) -> float | None:
        """The speed of a model that has generated so many tokens in all, whoever asked for them;
        None when it generated nothing lately, or was never looked at before."""
        now = self._clock()
        looks = self._looks.setdefault(path, deque())
        if looks and n_generated < looks[-1][1]:
            looks.clear()  # it was loaded anew
        looks.append((now, n_generated))
        # The oldest look that counts is the last one at or before the window's beginning.
        while len(looks) > 2 and looks[1][0] <= now - SPEED_SECONDS:
            looks.popleft()
        since, before = looks[0]
        if now <= since or n_generated == before:
            return None
        return (n_generated - before) / (now - since)


def loaded_models(
    pool: ModelPool[EngineT], speeds: TokenSpeeds, reasons: Mapping[Path, tuple[str, ...]]
) -> tuple[LoadedModel, ...]:
    """All models that are ready now, by name; ``reasons`` of each as `ModelState` told them. On the
    pool's loop."""
    found = [
        replace(_loaded_model(pool, path, engine, speeds), reasons=reasons.get(path, ()))
        for path, engine in _ready(pool)
    ]
    return tuple(sorted(found, key=lambda model: (model.name.casefold(), model.path)))


def use_time_to_live(pool: ModelPool[EngineT], path: Path, choice: TimeToLive) -> None:
    """Obey what was chosen for a model. On the pool's loop."""
    if choice.is_own:
        pool.set_idle_seconds(path, choice.seconds)
    else:
        pool.reset_idle_seconds(path)


def _ready(pool: ModelPool[EngineT]) -> list[tuple[Path, EngineT]]:
    engines = [(path, pool.loaded_engine(path)) for path in pool.loaded()]
    return [(path, engine) for path, engine in engines if engine is not None]


def _loaded_model(
    pool: ModelPool[EngineT], path: Path, engine: EngineT, speeds: TokenSpeeds
) -> LoadedModel:
    info = engine.get_context_info()
    own = pool.own_idle_seconds
    in_use = pool.is_in_use(path)
    speed = speeds.look(path, engine.n_generated)
    return LoadedModel(
        path=path,
        name=info.name or path.stem,
        held=held_memory(info, pool.held(path)),
        pinned=pool.is_pinned(path),
        in_use=in_use,
        time_to_live=TimeToLive(own.get(path, pool.idle_seconds), path in own),
        tokens_per_second=speed if in_use else None,
        n_ctx=info.n_ctx,
        n_layers=info.n_layers + 1,
        n_gpu_layers=info.n_gpu_layers,
    )


def held_memory(info: ContextInfo, ledgers: Needs) -> tuple[HeldMemory, ...]:
    """What a model holds of each memory, the system's first; ``ledgers`` count so many bytes of it.
    Where a GPU has no ledger, its memory is the system's."""
    on_gpus = [
        HeldMemory(
            share.device,
            share.n_bytes - share.kv_bytes - share.compute_bytes,
            share.kv_bytes,
            share.compute_bytes,
        )
        for share in info.shares
        if share.device in ledgers
    ]
    kv_bytes = info.kv_bytes - sum(held.kv_bytes for held in on_gpus)
    compute_bytes = info.compute_bytes - sum(held.compute_bytes for held in on_gpus)
    weights_bytes = max(0, ledgers.get(CPU, 0) - kv_bytes - compute_bytes)
    return (HeldMemory(CPU, weights_bytes, kv_bytes, compute_bytes), *on_gpus)
