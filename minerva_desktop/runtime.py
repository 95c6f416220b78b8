"""The pool and the optional endpoint on one asyncio loop, free of Qt.

`ui.engine_worker.EngineWorker` runs it in its thread; `minerva serve` on the main thread.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from minerva_desktop.api_keys import KeyFile
from minerva_desktop.devices.device_list import (
    DeviceList,
    discrete_gpus,
    system_kind,
)
from minerva_desktop.devices.gpu_context import (
    UNKNOWN_BUDGET,
    GpuContext,
    GpuDevice,
    default_budget,
)
from minerva_desktop.devices.ledgers import CPU, NOTHING, DeviceLedgers, Needs
from minerva_desktop.devices.pressure import SHORT_BYTES, LastingShortage, Shortage, shortages
from minerva_desktop.engine.device_query import KnownDevices, ask_devices
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool import ModelPool
from minerva_desktop.engine.pool_events import (
    GoneCause,
    LoadChoice,
    LoadPlan,
    MemoryTrimmed,
    ModelGone,
    ModelReady,
    PoolEvent,
)
from minerva_desktop.engine.queue_limit import MAX_WAITING, QueueLimit
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.spare_question import check_version
from minerva_desktop.errors import EngineDied
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.library.measured_memory import MeasuredMemory
from minerva_desktop.load_choice import LoadChooser
from minerva_desktop.server.activity import Activity
from minerva_desktop.server.endpoint_switch import EndpointSwitch

if TYPE_CHECKING:
    from minerva_desktop.devices.memory import MemoryProbe
    from minerva_desktop.devices.system_memory import MemoryPart, MemorySnapshot

_log = logging.getLogger(__name__)


class Runtime:
    """Owns everything that lives on its loop; made and used there only."""

    def __init__(
        self,
        catalog: Catalog,
        options: LoadOptions,
        *,
        own_options: Mapping[Path, LoadOptions] = MappingProxyType({}),
        memory_bytes: int | None = None,
        gpu_bytes: Needs = NOTHING,
        measured: MeasuredMemory | None = None,
        idle_seconds: float | None = None,
        on_event: Callable[[PoolEvent], None] | None = None,
        on_request: Callable[[], None] | None = None,
        max_waiting: int = MAX_WAITING,
        key_file: KeyFile | None = None,
        find_devices: Callable[[], Awaitable[DeviceList]] | None = None,
        probe: MemoryProbe | None = None,
    ) -> None:
        """``own_options``: those of single models; ``memory_bytes``: what loaded models may take
        together (None: a share of the machine's memory), ``gpu_bytes`` of the memory of GPUs, by
        `budget_keys` (a share of those that are not named); ``measured`` is told what loads took,
        and asked; ``idle_seconds`` and ``on_event``: see `ModelPool`; ``on_request``: see
        `Activity`; ``max_waiting``: requests that may wait for each model; ``key_file``: the keys
        that open the endpoint, also when they change while it serves; ``find_devices`` and
        ``probe``: what tells of devices and memory instead of this machine; the probe is closed
        with the runtime."""
        self._ledger = GpuContext(GpuDevice.CPU, UNKNOWN_BUDGET)
        self._memory_bytes = memory_bytes
        self._shortage = LastingShortage()  # of the system's memory
        self._spare = SpareChild()
        self.keeps_spare = True  # have a child ready after a load, for the next one
        self._chooser = LoadChooser(self._spare, measured)
        self._background: set[asyncio.Task[None]] = set()
        self.pool: ModelPool[LlamaEngine] = ModelPool(
            self._make_engine,
            ledgers=DeviceLedgers({CPU: self._ledger}),
            choose=self._choose,
            check_start=self._check_start,
            options=options,
            idle_seconds=idle_seconds,
            on_event=self._tell,
        )
        self.pool.own_options = own_options
        find = find_devices or functools.partial(ask_devices, self._spare)
        self._devices = KnownDevices(find, self.pool.ledgers, self.pool.holdings, gpu_bytes)
        self.activity = Activity(on_request, max_loading=max_waiting)
        self.endpoint = EndpointSwitch(self.pool, catalog, self.activity, key_file)
        self._queue = QueueLimit(max_waiting)
        self._catalog, self._probe, self._on_event = catalog, probe, on_event

    def set_load_options(
        self, options: LoadOptions, own: Mapping[Path, LoadOptions] = MappingProxyType({})
    ) -> None:
        """The options of the next loads, and ``own`` ones of single models; disk that they no
        longer allow is given back."""
        self.pool.options = options
        self.pool.own_options = own
        if options.snapshots is not None:
            folder, max_bytes = options.snapshots.folder, options.snapshots.max_bytes
            SnapshotFiles(Path(os.fsdecode(folder))).shrink(max_bytes)

    def set_memory_budget(self, memory_bytes: int | None, gpu_bytes: Needs = NOTHING) -> None:
        """What loaded models may take together from now on, and of the memory of GPUs, as in
        `__init__`; those that are loaded stay."""
        self._memory_bytes = memory_bytes
        self._devices.use_budgets(gpu_bytes)
        self.pool.look_again()

    def set_max_waiting(self, max_waiting: int) -> None:
        """Requests that may wait for each model from now on."""
        self._queue.n_waiting = self.activity.max_loading = max_waiting

    @property
    def memory_kind(self) -> GpuDevice:
        """Whose the system's memory is (`system_kind`), as far as the devices are known by now."""
        return system_kind(self._devices.now().devices or ())

    def budgets(self, system: MemoryPart) -> Needs:
        """What models may take now of the ``system``'s memory, and of that of each GPU with a
        ledger, in bytes by the ledger's name."""
        limit = memory_budget(self._memory_bytes, system, self.memory_kind)
        return {**self.pool.ledgers.room(), CPU: limit}

    def n_requests(self, model: Path) -> int:
        """How many requests to the endpoint use ``model`` now, or wait for it: not by its name,
        which changes when a file of the same name appears."""
        return self.activity.n_using(model)

    async def measure_memory(self) -> MemorySnapshot:
        """Memory of the devices in use, and the share of our engine children. Where a device has
        hardly any left, that is relieved; to be called every few seconds."""
        snapshot = await asyncio.to_thread(
            self._measure_memory, self.pool.pids(), self._devices.now(), self.pool.placed()
        )
        await self._relieve(shortages(snapshot))
        return snapshot

    def _measure_memory(self, pids: list[int], known: DeviceList, placed: Needs) -> MemorySnapshot:
        if self._probe is None:
            # psutil takes 60 ms to import, which the window's start need not wait for.
            from minerva_desktop.devices.driver import find_nvml
            from minerva_desktop.devices.memory import MemoryProbe

            self._probe = MemoryProbe(find_nvml())
        return self._probe.snapshot(pids, known, placed)

    async def system_memory(self) -> MemoryPart:
        """The system's memory now, and the share of our engine children."""
        # psutil takes 60 ms to import, which the window's start need not wait for.
        from minerva_desktop.devices.system_memory import system_memory

        return await asyncio.to_thread(system_memory, self.pool.pids())

    async def _relieve(self, short: Sequence[Shortage]) -> None:
        """Give memory back where it is short, one thing at each look, for that takes a moment: of
        the system's first the engine process that waits for a model (some 50 MB), then what loaded
        models only keep to be quicker (`ModelPool.trim`), and then an idle model at a time, of
        those on the device.

        Models are trimmed once in a shortage, and keep nothing of the kind until it is over: one
        that is used all the time would have something to give back at every look, and the idle ones
        would never go.

        The prefixes that finished requests left in their slots stay: they lie in the KV cache,
        which is one allocation from the load on, so that dropping them frees nothing, and costs the
        next turn its prefill. The snapshots of chats are files, no memory.
        """
        if self._shortage.note(any(shortage.device == CPU for shortage in short)):
            self.pool.let_park(allowed=True)
        for shortage in short:
            if shortage.device == CPU and (
                await self._spare.close() or await self._trim_once(shortage.why)
            ):
                continue
            self.pool.relieve(shortage.device, shortage.why)

    async def _trim_once(self, why: str) -> bool:
        """Trim the loaded models, unless that was done in this shortage; whether it gave much."""
        if self._shortage.is_trimmed:
            return False
        self._shortage.is_trimmed = True
        n_bytes = await self.pool.trim(why)
        self.pool.let_park(allowed=False)  # only now, so that what goes is counted
        return n_bytes > 0

    async def close(self) -> None:
        """Stop the endpoint and end every engine child, at once."""
        self.endpoint.hurry()
        await self.endpoint.stop()
        await self.pool.close()
        if self._background:
            await asyncio.wait(self._background)
        await self._spare.close()
        if self._probe is not None:
            self._probe.close()

    # -- what the pool needs ---------------------------------------------------------------

    def _make_engine(self, path: Path, on_death: Callable[[EngineDied], None]) -> LlamaEngine:
        return LlamaEngine(path, spare=self._spare, on_death=on_death, queue=self._queue)

    async def fit_of(self, path: Path, options: LoadOptions | None = None) -> LoadPlan:
        """What loading a model would take, with which options, and what would go for it; see
        `ModelPool.plan`. Raises `ModelNotFound`, `ModelLoadError`, `AppReplaced` or
        `InvalidRequest`."""
        return await self.pool.plan(path, options)

    async def devices(self) -> DeviceList:
        """The compute devices of this build of llama.cpp, the CPU too, or why they are not known.
        Asked of a child process: see `KnownDevices`. Never fails."""
        return await self._devices.ask()

    async def _choose(self, path: Path, options: LoadOptions, kept: Needs) -> LoadChoice:
        devices = (await self.devices()).devices or ()
        kind = system_kind(devices)
        self._ledger.set_device(kind)
        memory = await self.system_memory()
        self._ledger.set_budget(memory_budget(self._memory_bytes, memory, kind))
        ledgers, gpus = self.pool.ledgers, discrete_gpus(devices)
        return await self._chooser.choose(path, options, ledgers.room(kept), gpus, ledgers.room())

    async def _check_start(self, path: Path) -> None:
        await check_version(self._spare, path.name)

    def _tell(self, event: PoolEvent) -> None:
        if isinstance(event, ModelReady | ModelGone):
            self._devices.models_changed()
        if isinstance(event, MemoryTrimmed):
            _log.warning("%s", event.message)
        if isinstance(event, ModelGone):
            self._catalog.note_unloaded(event.path)
        if isinstance(event, ModelReady):
            is_mapped = event.choice.options.use_mmap
            self._catalog.note_loaded(event.path, event.choice.files, is_mapped=is_mapped)
            gpus, chosen = discrete_gpus(event.info.devices), event.choice.options
            self._in_background(self._chooser.note_load(event.path, chosen, gpus, event.info))
            if self.keeps_spare and not self._shortage.is_now:
                # Only now: a start beside a load would slow it down.
                self._in_background(self._spare.prepare())
        elif isinstance(event, ModelGone) and event.cause is GoneCause.PRESSURE:
            _log.warning("%s", event.error)
        if self._on_event is not None:
            self._on_event(event)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def memory_budget(wished: int | None, memory: MemoryPart, kind: GpuDevice | None = None) -> int:
    """What loaded models may take of the system's ``memory``, in bytes: ``wished``, or a share of
    it, but never more than other programs leave. ``kind`` says whose it is (see `system_kind`),
    where that is known."""
    is_metal = GpuDevice.METAL in (kind, memory.kind)
    budget = wished
    if budget is None:
        budget = default_budget(GpuDevice.METAL if is_metal else GpuDevice.CPU, memory.total)
    if not memory.total:
        return budget
    # A model that took the last of it would be unloaded at once: `devices.pressure`.
    spared = min(memory.total // 20, SHORT_BYTES)
    return max(min(budget, memory.total - memory.used_by_others - spared), 0)
