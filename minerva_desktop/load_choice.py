"""What loading a model will take, and which options are best where they were left to us.

Between `engine`'s load options and `library`'s estimates, which do not know each other. Used by
`runtime` for the pool and the window, and by `commands`; any thread, blocks for some milliseconds
to read headers. `LoadChooser` asks llama.cpp as well, on an asyncio loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from minerva_desktop import __version__
from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.ledgers import CPU, Needs
from minerva_desktop.digests import sha256
from minerva_desktop.engine.dry_run import DRY_RUN_SECONDS, dry_run
from minerva_desktop.engine.load_options import (
    DEFAULT_N_CTX,
    EMBEDDING_N_CTX,
    EMBEDDING_TEXTS,
    FlashAttention,
    KvType,
    LoadOptions,
)
from minerva_desktop.engine.memory_messages import SimulatedContext
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.pool_events import LoadChoice
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.errors import MinervaError, ModelLoadError, ModelNotFound, os_reason
from minerva_desktop.library.context_reach import context_warnings, stretch_of, usable_context
from minerva_desktop.library.estimate_options import (
    EstimateOptions,
    GpuShare,
    KvTypeName,
    padded_cells,
)
from minerva_desktop.library.fit import Choice, Free, choose_options, rounding
from minerva_desktop.library.gguf import GgufHeader, read_header
from minerva_desktop.library.layer_memory import has_flash_attention, is_hybrid, is_recurrent
from minerva_desktop.library.measured_memory import MeasuredMemory, ModelReports
from minerva_desktop.library.memory_estimate import (
    Companions,
    Estimator,
    Figures,
    MemoryEstimate,
)
from minerva_desktop.library.split_model import FileState, WholeModel, read_whole_model

_log = logging.getLogger(__name__)

BINDINGS = "llama-cpp-python"
MAX_DRY_RUNS = 3  # for one choice, which may change by what each of them says
# The figures of llama.cpp's log are rounded to a hundredth of a MiB, each cache's for itself.
ROUNDING_BYTES = 4 * 1024 * 1024 // 100
_KV_TYPES: MappingProxyType[KvType, KvTypeName] = MappingProxyType(
    {KvType.AUTO: "f16", KvType.F16: "f16", KvType.Q8_0: "q8_0", KvType.Q4_0: "q4_0"}
)


class Candidate(msgspec.Struct, frozen=True):
    """A model that is to be loaded with ``options``, as its files and those beside it are now:
    ``reports`` are what is known of such loads, ``gpus`` (`discrete_gpus`) get the layers."""

    whole: WholeModel
    options: LoadOptions
    beside: Companions
    gpus: tuple[DeviceInfo, ...]
    reports: ModelReports

    @property
    def header(self) -> GgufHeader:
        """The model's, with the tensors of all its files."""
        return self.whole.header

    def estimator(self) -> Estimator:
        """For it, with what is known."""
        return Estimator(self.header, self.beside, self.reports)

    def estimate_options(self) -> EstimateOptions:
        """``options`` as far as they decide about memory, with what they leave open as wished."""
        wished = estimate_options(self.header, self.options, self.gpus)
        # llama.cpp may have said that this model, or this device, has no flash attention.
        figures = self.reports.find(wished)
        if figures is not None and not figures.flash_attention:
            wished = replace(wished, flash_attention=False)
        return wished

    def choose(self, room: Mapping[str, int]) -> tuple[Choice, LoadOptions]:
        """The best options for ``room`` bytes by device, and ``options`` with them."""
        options = self.options
        free = Free(
            n_ctx=options.n_ctx is None,
            kv_type=options.kv_type_k is KvType.AUTO and options.kv_type_v is KvType.AUTO,
            n_gpu_layers=options.n_gpu_layers is None,
            most_n_ctx=usable_context(self.header, stretch_of(options.rope)),
        )
        choice = choose_options(self.estimator(), self.estimate_options(), room, free)
        notes = (*choice.notes, *rounding(options.n_ctx, choice.options.n_ctx))
        choice = replace(choice, notes=notes, warnings=self._warnings(choice.options))
        return choice, self.with_choice(choice.options)

    def _warnings(self, found: EstimateOptions) -> tuple[str, ...]:
        stretch = stretch_of(self.options.rope)
        return context_warnings(self.header, found, self.options.n_ctx, stretch)

    def with_choice(self, found: EstimateOptions) -> LoadOptions:
        """``options`` with nothing of ``found`` left open."""
        return msgspec.structs.replace(
            self.options,
            n_ctx=found.n_ctx,
            kv_type_k=KvType(found.kv_type_k),
            kv_type_v=KvType(found.kv_type_v),
            n_gpu_layers=found.n_gpu_layers,
        )

    def note_dry_run(self, options: EstimateOptions, contexts: Sequence[SimulatedContext]) -> None:
        """Remember what llama.cpp said it would take with ``options``."""
        for context in contexts:
            at = replace(options, n_ctx=context.n_ctx)
            figures = Figures(
                compute=context.compute,
                kv_bytes=self._unexpected(at, context.kv_bytes),
                flash_attention=context.flash_attention or not options.flash_attention,
            )
            self.reports.note(at, figures, is_real=False)

    def note_load(self, info: ContextInfo) -> None:
        """Remember what a load with just these options took."""
        options = self.estimate_options()
        compute = {share.device: share.compute_bytes for share in info.shares}
        weights = {
            share.device: share.n_bytes - share.kv_bytes - share.compute_bytes
            for share in info.shares
        }
        figures = Figures(
            compute={CPU: info.compute_bytes - sum(compute.values()), **compute},
            kv_bytes=self._unexpected(options, info.kv_bytes),
            weights=weights,
            flash_attention=info.flash_attention or not options.flash_attention,
        )
        self.reports.note(options, figures, is_real=True)

    def _unexpected(self, options: EstimateOptions, kv_bytes: int) -> int:
        """``kv_bytes`` where the estimate of the cache is another, else 0: the estimate then holds
        for all lengths, and is not rounded."""
        expected = Estimator(self.header, self.beside).estimate(options).kv_bytes
        return 0 if abs(expected - kv_bytes) <= ROUNDING_BYTES else kv_bytes


def candidate(
    path: Path,
    options: LoadOptions,
    measured: MeasuredMemory | None = None,
    gpus: Sequence[DeviceInfo] = (),
) -> Candidate:
    """The model at ``path`` (of which that is a part) to be loaded with ``options``. Raises
    `ModelNotFound` or `ModelLoadError`."""
    whole = read_whole_model(path)
    adapters, states = _adapters(options)
    draft = _draft(options)
    if draft is not None:
        states += draft.states
    beside = Companions(adapters, None if draft is None else draft.header)
    known = MeasuredMemory(None) if measured is None else measured
    base = _base_key(whole, options, states)
    return Candidate(whole, options, beside, tuple(gpus), ModelReports(known, base))


def choose_load(
    path: Path,
    options: LoadOptions,
    room: Mapping[str, int],
    measured: MeasuredMemory | None = None,
    gpus: Sequence[DeviceInfo] = (),
) -> LoadChoice:
    """The best way to load the model at ``path`` with ``room`` bytes on each device; what llama.cpp
    said of such a load before, if ``measured`` knows, counts instead of the estimate.

    Raises `ModelNotFound` or `ModelLoadError`.
    """
    model = candidate(path, options, measured, gpus)
    choice, chosen = model.choose(room)
    return _load_choice(model, choice, chosen)


class LoadChooser:
    """Chooses with llama.cpp's own figures for the buffers: those that are known, or a dry run's.

    On the asyncio loop of the engines. A dry run without an answer is not tried again; what
    llama.cpp refuses in one is raised.
    """

    def __init__(
        self,
        children: SpareChild,
        measured: MeasuredMemory | None = None,
        seconds: float = DRY_RUN_SECONDS,
    ) -> None:
        """``children`` are asked; an answer that takes longer than ``seconds`` is not waited for.
        Without ``measured``, what is learned is forgotten with this object."""
        self._children = children
        self._measured = MeasuredMemory(None) if measured is None else measured
        self._seconds = seconds
        self._failed: set[str] = set()
        self._asking = asyncio.Lock()  # one dry run at a time, and the others then know

    async def choose(
        self,
        path: Path,
        options: LoadOptions,
        room: Mapping[str, int],
        gpus: Sequence[DeviceInfo] = (),
        alone: Mapping[str, int] | None = None,
    ) -> LoadChoice:
        """As `choose_load`, or raises `InvalidRequest`; ``alone``: as if no other held memory."""
        options.check()  # before others go for what cannot be loaded
        model, choice, chosen = await self.candidate(path, options, room, gpus)
        found = _load_choice(model, choice, chosen)
        if options.n_ctx is not None or alone is None or alone == room:
            return found
        best, _ = await asyncio.to_thread(model.choose, alone)
        is_longer = best.options.n_ctx > choice.options.n_ctx
        return replace(found, n_ctx_alone=best.options.n_ctx) if is_longer else found

    async def candidate(
        self,
        path: Path,
        options: LoadOptions,
        room: Mapping[str, int],
        gpus: Sequence[DeviceInfo] = (),
    ) -> tuple[Candidate, Choice, LoadOptions]:
        """The model, the best options for it, and ``options`` with them."""
        async with self._asking:
            model = await asyncio.to_thread(candidate, path, options, self._measured, gpus)
            # First as wished: that tells what every other choice depends on.
            await self._ask(model, await asyncio.to_thread(model.estimate_options))
            choice, chosen = await asyncio.to_thread(model.choose, room)
            for _ in range(MAX_DRY_RUNS):
                if choice.estimate.is_reported or not await self._ask(model, choice.options):
                    break
                choice, chosen = await asyncio.to_thread(model.choose, room)
            return model, choice, chosen

    async def note_load(
        self, path: Path, options: LoadOptions, gpus: Sequence[DeviceInfo], info: ContextInfo
    ) -> None:
        """Remember what a load with ``options`` took."""
        try:
            model = await asyncio.to_thread(candidate, path, options, self._measured, gpus)
            await asyncio.to_thread(model.note_load, info)
        except (MinervaError, OSError) as error:
            # Only the next estimate is worse: the file may be gone since it was loaded.
            _log.warning("What %s took cannot be noted: %s", path.name, error)

    async def _ask(self, model: Candidate, options: EstimateOptions) -> bool:
        """Let llama.cpp say what ``options`` take, unless that is known; whether it is now."""
        if model.reports.find(options) is not None:
            return True
        key = model.reports.key(options)
        if key in self._failed:
            return False
        wanted = model.with_choice(options)
        lengths = _lengths(options, model.header.n_ctx_train)
        path = model.whole.path
        contexts = await dry_run(self._children, path, wanted, lengths, self._seconds)
        if not contexts:
            self._failed.add(key)
            return False
        await asyncio.to_thread(model.note_dry_run, options, contexts)
        return True


def model_needs(path: Path, options: LoadOptions) -> Needs:
    """Bytes by device that the model at ``path`` takes with just these options; raises
    `ModelNotFound` or `ModelLoadError`."""
    model = candidate(path, options)
    return _needs(model.estimator().estimate(model.estimate_options()))


def estimate_options(
    header: GgufHeader, options: LoadOptions, gpus: Sequence[DeviceInfo] = ()
) -> EstimateOptions:
    """``options`` as far as they decide about memory, with what they leave open as wished."""
    speculation = options.speculation
    split = options.tensor_split
    if not any(split):
        split = tuple(float(gpu.free_memory) for gpu in gpus)
    shares = zip(gpus, (*split, *[0.0] * len(gpus)), strict=False)
    # How the engine tells a model that makes embeddings (`engine.core.llama.LlamaModel.pooling`).
    is_embedding = f"{header.architecture}.pooling_type" in header.metadata
    if is_embedding:
        trained = header.n_ctx_train or DEFAULT_N_CTX
        n_ctx, n_seq_max = min(options.n_ctx or EMBEDDING_N_CTX, trained), EMBEDDING_TEXTS
    else:
        usable = usable_context(header, stretch_of(options.rope)) or DEFAULT_N_CTX
        n_ctx = padded_cells(options.n_ctx or min(usable, DEFAULT_N_CTX))
        recurrent, hybrid = is_recurrent(header), is_hybrid(header)
        n_seq_max = options.n_sequences(is_recurrent=recurrent, is_hybrid=hybrid)
    return EstimateOptions(
        n_ctx=n_ctx,
        n_seq_max=n_seq_max,
        n_parallel=options.n_parallel,
        n_batch=options.n_batch,
        n_draft=speculation.n_draft if speculation is not None else 0,
        kv_type_k=_KV_TYPES[options.kv_type_k],
        kv_type_v=_KV_TYPES[options.kv_type_v],
        flash_attention=options.flash_attention is not FlashAttention.OFF
        and has_flash_attention(header),
        is_embedding=is_embedding,
        n_gpu_layers=options.n_gpu_layers,
        gpus=tuple(GpuShare(gpu.name, share, gpu.process_bytes) for gpu, share in shares),
    )


def _lengths(options: EstimateOptions, n_ctx_train: int) -> tuple[int, ...]:
    """For which lengths of the context a dry run is made: for one that is asked for, and for the
    ends between which buffers grow evenly with it."""
    if options.is_embedding:
        return (options.n_ctx,)
    shortest = max(options.batch_tokens, min(1024, options.n_ctx))
    longest = max(options.n_ctx, min(n_ctx_train, 32_768))
    return tuple(sorted({shortest, options.n_ctx, longest}))


def _adapters(options: LoadOptions) -> tuple[tuple[GgufHeader, ...], tuple[FileState, ...]]:
    paths = [Path(os.fsdecode(adapter.path)) for adapter in options.lora]
    states = tuple(FileState(s.st_size, s.st_mtime_ns) for s in map(_status, paths))
    return tuple(read_header(path) for path in paths), states


def _draft(options: LoadOptions) -> WholeModel | None:
    speculation = options.speculation
    path = None if speculation is None else speculation.draft_path
    return None if path is None else read_whole_model(path)


def _status(path: Path) -> os.stat_result:
    name = f"The adapter “{path.name}”"
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"{name} is not there; it may have been moved or deleted."
        raise ModelNotFound(message, detail=str(path)) from error
    except OSError as error:
        raise ModelLoadError(f"{name} cannot be read: {os_reason(error)}") from error


def _base_key(whole: WholeModel, options: LoadOptions, beside: Sequence[FileState]) -> str:
    """Stands for a model's files and those beside it as they are now, for llama.cpp's version, and
    for what else decides about memory and is not in `EstimateOptions`."""
    facts = (
        os.fsencode(whole.path),
        whole.states,
        beside,
        options.speculation,
        [(adapter.path, adapter.scale) for adapter in options.lora],
        options.rope,
        options.use_mmap,
        _engine_version(),
    )
    return sha256(msgspec.json.encode(facts)).hex()


def _engine_version() -> str:
    # For the window's start: it takes 2 MB, with the parsers of e-mail that it is made of.
    from importlib import metadata

    try:
        return f"{__version__} {metadata.version(BINDINGS)}"
    except metadata.PackageNotFoundError:  # a frozen app has one version for all
        return __version__


def _load_choice(model: Candidate, choice: Choice, chosen: LoadOptions) -> LoadChoice:
    devices = choice.estimate.devices
    return LoadChoice(
        chosen,
        _needs(choice.estimate),
        choice.fit.value,
        choice.reasons,
        notes=choice.notes,
        warnings=choice.warnings,
        beside={each.device: each.other_bytes for each in devices},
        files=tuple(
            (state.size, state.modified_ns, inode)
            for state, inode in zip(model.whole.states, model.whole.inodes, strict=True)
        ),
    )


def _needs(estimate: MemoryEstimate) -> Needs:
    return {device.device: device.total_bytes for device in estimate.devices}
