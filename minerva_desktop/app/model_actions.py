"""What a person does with models: list, add, remove, choose, and follow their loading.

The catalog reads files, so its calls run on a thread of the loop's executor; call these from any
asyncio loop.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.app.load_words import begun, told_once
from minerva_desktop.app.memory_budgets import GB
from minerva_desktop.engine.load_options import (
    CHATML_TEMPLATE,
    FlashAttention,
    KvType,
    LoadOptions,
    RopeOptions,
    RopeScaling,
    SnapshotOptions,
)
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadPlan,
    MemoryTrimmed,
    ModelEvent,
    ModelLoading,
    ModelReady,
    PoolEvent,
    Unloaded,
)
from minerva_desktop.errors import MinervaError
from minerva_desktop.library.catalog import Catalog, CatalogEntry
from minerva_desktop.library.context_reach import first_context, stretch_of
from minerva_desktop.library.fit import Fit
from minerva_desktop.library.gguf import read_header
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.settings import ModelOverrides, Settings
from minerva_desktop.units import format_bytes

DEFAULT_SNAPSHOT_GB = 4  # a long chat with a model of 8 billion parameters takes about one


class ModelPhase(StrEnum):
    """Where a model is between the disk and its first token."""

    LOADING = "loading"
    READY = "ready"
    GONE = "gone"


class ModelState(msgspec.Struct, frozen=True):
    """A change of one model. ``fraction`` 0.0 to 1.0 while loading, ``n_ctx`` in tokens once
    ready (``n_ctx_alone``: what it would be had no other model held memory, where that is more),
    with ``reasons``, sentences on what had to give for it to fit and on what to beware of,
    and the models that were ``unloaded`` for it, or ``is_back`` if it is only loaded again as it
    was, after a load that came to nothing; ``error`` when it went by itself, ``is_relief`` if that
    was to give memory back that is short: ``n_freed`` bytes; ``is_lost`` if it could not be loaded
    again after it had made room, or for somebody who has left."""

    path: Path
    phase: ModelPhase
    fraction: float = 0.0
    n_ctx: int | None = None
    n_ctx_alone: int | None = None
    error: MinervaError | None = None
    reasons: tuple[str, ...] = ()
    unloaded: tuple[Unloaded, ...] = ()
    is_back: bool = False
    is_relief: bool = False
    is_lost: bool = False
    n_freed: int = 0


class MemoryGivenBack(msgspec.Struct, frozen=True):
    """Models gave memory back that other programs need, and stay loaded; ``text`` says so."""

    text: str


class AddOutcome(msgspec.Struct, frozen=True):
    """What became of files that were dropped: the models, and a reason for each that is none."""

    added: tuple[ModelFile, ...]
    refused: tuple[MinervaError, ...]


class OwnTemplate(msgspec.Struct, frozen=True):
    """A model's chat template, and whether its file brings that: else it is ChatML."""

    text: str
    is_brought: bool


_FIT_LABELS: MappingProxyType[Fit, str] = MappingProxyType(
    {
        Fit.FITS: "Fits",
        Fit.SMALLER_KV: "Smaller KV cache",
        Fit.SMALLER_CONTEXT: "Smaller context",
        Fit.NEEDS_OFFLOAD: "Needs offload",
        Fit.WONT_FIT: "Won’t fit",
    }
)


class ModelFit(msgspec.Struct, frozen=True):
    """How a model that is not loaded would fit: with a context of ``n_ctx`` tokens it takes
    ``n_bytes``, and the models ``unloads`` go for it. ``reasons`` are sentences on what had to
    give, or on what does not fit; ``notes`` on what is more than usual, ``warnings`` on what to
    beware of."""

    path: Path
    fit: Fit
    n_ctx: int | None
    n_bytes: int
    reasons: tuple[str, ...]
    unloads: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The badge's words."""
        return _FIT_LABELS[self.fit]

    @property
    def is_as_wished(self) -> bool:
        """Whether nothing has to give, and there is nothing to beware of."""
        return self.fit is Fit.FITS and not self.warnings

    @property
    def is_possible(self) -> bool:
        """Whether the memory for models is enough in some way."""
        return self.fit is not Fit.WONT_FIT

    @property
    def detail(self) -> str:
        """The numbers, in sentences."""
        context = () if self.n_ctx is None else (f"context of {self.n_ctx:,} tokens",)
        sentences = (*self.reasons, *self.notes, *self.warnings)
        if not self.is_possible:
            lacks = [sentence for sentence in sentences if ": " not in sentence]
            rest = told_once(context, [each for each in sentences if each not in lacks])
            return ". ".join(begun(text) for text in (*lacks, rest) if text)
        takes = f"Takes about {format_bytes(self.n_bytes)}"
        return f"{takes} with a {told_once(context, sentences)}" if context else takes


def lacks_template(model: ModelFile, settings: Settings) -> bool:
    """Whether ChatML stands in for a chat template that ``model`` does not bring."""
    own = settings.models.get(path_text(model.path), ModelOverrides()).chat_template
    return not (model.has_chat_template or model.makes_embeddings or own)


class ModelActions:
    """The library as the window uses it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @property
    def problem(self) -> str | None:
        """A sentence for the person when their list of models could not be read."""
        return self._catalog.problem

    async def entries(self) -> list[CatalogEntry]:
        """All models with what is wrong with them, if anything."""
        return await asyncio.to_thread(self._catalog.entries)

    async def model_at(self, path: Path) -> ModelFile | None:
        """What the library knows of the model at ``path``; None when it is not in there."""
        entries = await self.entries()
        return next((entry.model for entry in entries if entry.model.path == path), None)

    async def own_template(self, path: Path) -> OwnTemplate:
        """The chat template that the model at ``path`` brings. Raises what `read_header` does."""
        header = await asyncio.to_thread(read_header, path)
        brought = header.text("tokenizer.chat_template")
        return OwnTemplate(brought or CHATML_TEMPLATE, is_brought=bool(brought))

    async def first_context(self, path: Path) -> int | None:
        """Tokens that the model at ``path`` was trained for before its positions were stretched;
        None: its file does not say. Raises what `read_header` does."""
        return first_context(await asyncio.to_thread(read_header, path)) or None

    async def add(self, paths: Sequence[Path]) -> AddOutcome:
        """Take files into the library, in place. Raises nothing for a file that is no model."""
        added: list[ModelFile] = []
        refused: list[MinervaError] = []
        for path in paths:
            try:
                added.append(await asyncio.to_thread(self._catalog.add, path))
            except MinervaError as error:
                refused.append(error)
        return AddOutcome(tuple(added), tuple(refused))

    async def remove(self, path: Path) -> None:
        """Forget a model; its file stays. Raises what `Catalog.remove` raises."""
        await asyncio.to_thread(self._catalog.remove, path)

    async def first_choice(self, preferred: str | None) -> ModelFile:
        """The model at ``preferred`` (a `path_text`), or the default when that is no longer in the
        library, or cannot chat.

        Raises `ModelNotFound` when there is no model to chat with at all.
        """
        if preferred is not None:
            try:
                model = await asyncio.to_thread(self._catalog.find, path_of(preferred))
                if not model.makes_embeddings:
                    return model
            except MinervaError:
                pass  # the picker shows what is wrong with it
        return await asyncio.to_thread(self._catalog.default)


def told(event: PoolEvent) -> ModelState | MemoryGivenBack:
    """A pool's event as the window tells it."""
    if isinstance(event, MemoryTrimmed):
        return MemoryGivenBack(f"{event.message}.")
    return model_state(event)


def model_state(event: ModelEvent) -> ModelState:
    """A change of one model as the window tells it."""
    match event:
        case ModelLoading(path, fraction):
            return ModelState(path, ModelPhase.LOADING, fraction=fraction)
        case ModelReady(path, info):
            reasons = (*event.choice.reasons, *event.choice.warnings)
            return ModelState(
                path,
                ModelPhase.READY,
                n_ctx=info.n_ctx,
                n_ctx_alone=event.choice.n_ctx_alone,
                reasons=reasons,
                unloaded=event.unloaded,
                is_back=event.is_back,
            )
    return ModelState(
        event.path,
        ModelPhase.GONE,
        error=event.error,
        is_relief=event.cause is GoneCause.PRESSURE,
        is_lost=event.cause is GoneCause.LOST,
        n_freed=event.n_freed,
    )


def model_fit(plan: LoadPlan) -> ModelFit:
    """A pool's plan as the picker tells it."""
    choice = plan.choice
    return ModelFit(
        path=plan.path,
        fit=Fit(choice.fit),
        n_ctx=choice.options.n_ctx,
        n_bytes=sum(choice.needs.values()),
        reasons=choice.reasons,
        unloads=plan.unloads,
        notes=choice.notes,
        warnings=choice.warnings,
    )


def shown_names(models: Sequence[ModelFile]) -> dict[Path, str]:
    """What people read as each model's name: where two would look the same, with its id."""
    looks = Counter((model.name, model.quantisation) for model in models)
    return {
        model.path: model.name
        if looks[model.name, model.quantisation] == 1 or model.name == model.model_id
        else f"{model.name} ({model.model_id})"
        for model in models
    }


def load_options(settings: Settings, snapshots: Path) -> LoadOptions:
    """How the settings want models loaded, with the folder for the states of long chats."""
    given = settings.snapshot_gb
    n_gb = DEFAULT_SNAPSHOT_GB if given is None else given
    return LoadOptions(
        n_ctx=settings.n_ctx,
        n_gpu_layers=settings.n_gpu_layers,
        n_threads=settings.n_threads,
        snapshots=SnapshotOptions(os.fsencode(snapshots), round(n_gb * GB)),
    )


def own_options(settings: Settings, options: LoadOptions) -> dict[Path, LoadOptions]:
    """``options`` of the models that have overrides, with these."""
    return {path_of(path): overridden(options, each) for path, each in settings.models.items()}


def overridden(options: LoadOptions, overrides: ModelOverrides) -> LoadOptions:
    """``options`` with a model's own ones. Overrides that a file edited by hand brings and nobody
    knows are left out."""
    given = {
        name: value
        for name in ("n_ctx", "n_gpu_layers", "n_threads")
        if (value := getattr(overrides, name)) is not None
    }
    changed = msgspec.structs.replace(options, **given)
    if overrides.chat_template is not None and overrides.chat_template.strip():
        changed = msgspec.structs.replace(changed, chat_template=overrides.chat_template)
    if overrides.flash_attention in set(FlashAttention):
        flash = FlashAttention(overrides.flash_attention)
        changed = msgspec.structs.replace(changed, flash_attention=flash)
    if overrides.kv_type in set(KvType):
        kind = KvType(overrides.kv_type)
        changed = msgspec.structs.replace(changed, kv_type_k=kind, kv_type_v=kind)
    return msgspec.structs.replace(changed, rope=_rope(options.rope, overrides))


def _rope(rope: RopeOptions, overrides: ModelOverrides) -> RopeOptions:
    """``rope`` with a model's own."""
    scale = overrides.rope_scale
    given = {
        "freq_scale": None if scale is None else 1.0 / scale,
        "freq_base": overrides.rope_freq_base,
        **{name: getattr(overrides, name) for name in rope.__struct_fields__ if "yarn" in name},
    }
    if overrides.rope_scaling in set(RopeScaling):
        given["scaling"] = RopeScaling(overrides.rope_scaling)
    named = {name: value for name, value in given.items() if value is not None}
    changed: RopeOptions = msgspec.structs.replace(rope, **named)
    return changed


def stretched_context(first: int, overrides: ModelOverrides) -> int:
    """Up to how many tokens of context a model that was trained for ``first`` makes sense with
    ``overrides`` of its own; no fewer than these."""
    return stretch_of(_rope(RopeOptions(), overrides)).of(first)
