"""Puts an engine core together: the composition root of the engine child. Main thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.devices.cores import physical_cores, usable_cores
from minerva_desktop.devices.device_list import discrete_gpus
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.adapters import AdapterSet
from minerva_desktop.engine.core.chat_states import ChatStates
from minerva_desktop.engine.core.context_params import ContextPlan, context_plan
from minerva_desktop.engine.core.draft_model import DraftModel
from minerva_desktop.engine.core.embedding_core import EmbeddingCore
from minerva_desktop.engine.core.engine_core import EngineCore
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.load_checks import (
    check_devices,
    check_embedding_options,
    check_own_template,
    check_pooling,
    check_writes,
)
from minerva_desktop.engine.core.load_log import (
    added_shares,
    buffer_sizes,
    cache_bytes,
    can_turn_keys,
    gpu_shares,
    steady_rows,
    unused_bytes,
)
from minerva_desktop.engine.core.model_info import describe
from minerva_desktop.engine.core.not_had import not_had_by_embeddings
from minerva_desktop.engine.core.parking import Parking
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence_cache import MOST_MOVED_BYTES, SequenceCache
from minerva_desktop.engine.core.slot import Variant
from minerva_desktop.engine.core.slots import SlotTable
from minerva_desktop.engine.core.snapshots import SnapshotStore, model_identity
from minerva_desktop.engine.core.speculation import Drafter, PromptLookup
from minerva_desktop.engine.core.window_cells import WindowCells
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.errors import ModelLoadError, os_reason


def load_core(
    path: Path,
    options: LoadOptions,
    *,
    on_progress: Callable[[float], None],
    log: LlamaLog,
    abort: AbortFlag,
) -> EngineCore | EmbeddingCore:
    """Load the model at ``path`` with what its options want beside it.

    Raises `ModelNotFound`, `ModelLoadError`, `OutOfMemory`, or `InvalidRequest` for options that
    this machine or this model cannot honour.
    """
    started = time.perf_counter()
    check_devices(options)
    if options.chat_template is not None:
        on_progress(0.0)  # a sign of life: should the template hold this process up, that is found
        check_own_template(path, options.chat_template)
    log.clear()
    model = LlamaModel(path, options, log=log, on_progress=on_progress)
    check_pooling(path, model)
    # ggml's threads wait for each other: with more than there are cores a token takes seconds.
    n_threads = min(options.n_threads or physical_cores(), usable_cores())
    loader = _Loader(path, model, options, n_threads, log, abort)
    try:
        if model.pooling is not None:
            return loader.embedding_core(started)
        return loader.engine_core(started)
    except OSError as error:  # it was there when its weights were read
        why = os_reason(error)
        raise ModelLoadError(f"{path.name} cannot be read any more: {why}") from error


def _knows_cells(model: LlamaModel, context: LlamaContext, info: ContextInfo) -> bool:
    """Whether the cache lies as `cells.CellMap` has it, and how a lone row is shared out to threads
    is known: a cache of a window alone lies otherwise, one that cannot shift cannot be looked
    through from its first cell on, and without flash attention nothing is shared out."""
    return not model.has_window and context.can_shift and info.flash_attention


class _Loader(msgspec.Struct, frozen=True):
    path: Path
    model: LlamaModel
    options: LoadOptions
    n_threads: int
    log: LlamaLog
    abort: AbortFlag

    def embedding_core(self, started: float) -> EmbeddingCore:
        check_embedding_options(self.path, self.options)
        plan = context_plan(self.model, self.options, self.n_threads)
        context = LlamaContext(self.model, plan.params, abort=self.abort, log=self.log)
        info = self._describe(context, started)
        info = msgspec.structs.replace(
            info,
            n_ctx=plan.n_ctx,
            warnings=(*info.warnings, *not_had_by_embeddings(self.options, plan.n_ctx)),
            compute_bytes=info.compute_bytes + plan.late_output_bytes(self.model),
        )
        return EmbeddingCore(self.model, context, info, abort=self.abort)

    def engine_core(self, started: float) -> EngineCore:
        model, options = self.model, self.options
        plan = context_plan(model, options, self.n_threads)
        context = LlamaContext(model, plan.params, abort=self.abort, log=self.log)
        check_writes(self.path, model, context, plan)
        log = self.log.text()  # before that of a draft model takes its place
        rows = steady_rows(log, has_adapters=bool(options.lora))
        can_turn = not options.kv_type_k.is_quantised or can_turn_keys(log)
        has_stranger = model.is_hybrid and plan.params.n_seq_max > plan.n_slots
        append_only = model.is_recurrent or (model.has_window and not plan.n_draft)
        adapters = AdapterSet(options.lora, model=model, context=context, log=self.log)
        drafter, info = self._drafter(self._describe(context, started), plan)
        scheduler = Scheduler(
            self._slots(context, info, plan.n_slots, append_only=append_only),
            n_batch=plan.n_batch,
            max_running=options.n_parallel,
            n_outputs=plan.params.n_outputs_max,
            prompts_apart=not info.n_gpu_layers,
            keeps_company=not info.n_gpu_layers and (has_stranger or not model.is_recurrent),
            guesses=not model.is_recurrent,
            steady_rows=rows,
        )
        knows_cells = not append_only and _knows_cells(model, context, info)
        scheduler.use_threads(self.n_threads if knows_cells else None)
        no_going_back = model.is_recurrent or model.has_window
        states = self._states(context, info, adapters.variant(None), append_only=no_going_back)
        parking = Parking(context, scheduler, states, info.kv_bytes, n_kept=plan.n_slots - 1)
        return EngineCore(
            clean_text(self.path.name),
            model,
            context,
            scheduler,
            msgspec.structs.replace(info, load_ms=(time.perf_counter() - started) * 1000.0),
            cache=SequenceCache(
                context,
                scheduler,
                self.abort,
                parking,
                drafter=drafter,
                can_turn=can_turn,
                n_window=0 if append_only else model.n_window,
                stranger=plan.n_slots if has_stranger else None,
            ),
            adapters=adapters,
            drafter=drafter,
            states=states,
            can_shift=context.can_shift and not append_only,
            knows_cells=knows_cells,
            steady_greedy=rows.greedy_tokens,
        )

    def _slots(
        self, context: LlamaContext, info: ContextInfo, n_slots: int, *, append_only: bool
    ) -> SlotTable:
        n_movable = MOST_MOVED_BYTES * context.n_ctx // max(info.kv_bytes, 1)  # tokens on average
        window = None
        if append_only and context.n_window_cells and not self.model.is_recurrent:
            window = WindowCells(context.n_window_cells, self.model.n_window)
        knows_order = window is not None or not append_only or self.model.is_hybrid
        return SlotTable(
            n_slots=n_slots,
            n_cells=context.n_ctx,
            append_only=append_only,
            n_movable=n_movable if knows_order else 0,
            window=window,
            knows_order=knows_order,
        )

    def _describe(self, context: LlamaContext, started: float) -> ContextInfo:
        seconds = time.perf_counter() - started
        return describe(
            self.model,
            context,
            self.options,
            log=self.log,
            n_threads=self.n_threads,
            seconds=seconds,
        )

    def _drafter(self, info: ContextInfo, plan: ContextPlan) -> tuple[Drafter | None, ContextInfo]:
        """Where guesses come from, and ``info`` with the memory that this takes."""
        speculation = self.options.speculation
        if speculation is None:
            return None, info
        path = speculation.draft_path
        if path is None:
            return PromptLookup(n_draft=speculation.n_draft, n_ctx=info.n_ctx), info
        self.log.clear()
        drafter = DraftModel(
            self.model,
            self.options,
            speculation,
            path=path,
            plan=plan,
            n_ctx=info.n_ctx,
            n_threads=self.n_threads,
            abort=self.abort,
            log=self.log,
        )
        log = self.log.text()
        sizes = buffer_sizes(log)
        gpus = [gpu.name for gpu in discrete_gpus(info.devices)]
        return drafter, msgspec.structs.replace(
            info,
            weights_bytes=info.weights_bytes + drafter.model.size - unused_bytes(log),
            kv_bytes=info.kv_bytes + cache_bytes(log, is_simulated=False),
            compute_bytes=info.compute_bytes + sizes.get("compute", 0) + sizes.get("output", 0),
            shares=added_shares(info.shares, gpu_shares(log, gpus)),
        )

    def _states(
        self, context: LlamaContext, info: ContextInfo, variant: Variant, *, append_only: bool
    ) -> ChatStates | None:
        wanted = self.options.snapshots
        if wanted is None or not wanted.max_bytes:
            return None
        identity = model_identity(
            self.path,
            self.options,
            flash_attention=info.flash_attention,
            is_long=context.n_ctx > self.model.n_ctx_short,
        )
        store = SnapshotStore(wanted, identity, self.path, variant)
        return ChatStates(store, context=context, append_only=append_only)
