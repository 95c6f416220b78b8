"""The pool and the optional endpoint on one asyncio loop, free of Qt.

`ui.engine_worker.EngineWorker` runs it in its thread; `minerva serve` on the main thread.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.pool import ModelPool, PoolEvent
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.library.catalog import Catalog

if TYPE_CHECKING:
    from minerva_desktop.devices.memory import MemoryProbe, MemorySnapshot
    from minerva_desktop.server.endpoint import Endpoint


class Runtime:
    """Owns everything that lives on its loop; made and used there only."""

    def __init__(
        self,
        catalog: Catalog,
        options: LoadOptions,
        *,
        on_event: Callable[[PoolEvent], None] | None = None,
    ) -> None:
        self.pool = ModelPool(options, on_event=on_event)
        self._catalog = catalog
        self._probe: MemoryProbe | None = None
        self._endpoint: Endpoint | None = None
        self._switching = asyncio.Lock()  # starts and stops happen in the order they were asked for

    def set_load_options(self, options: LoadOptions) -> None:
        """The options of the next loads; disk that they no longer allow is given back."""
        self.pool.options = options
        if options.snapshots is not None:
            folder, max_bytes = options.snapshots.folder, options.snapshots.max_bytes
            SnapshotFiles(Path(os.fsdecode(folder))).shrink(max_bytes)

    async def start_endpoint(
        self, *, host: str = "127.0.0.1", port: int, api_key: str | None = None
    ) -> str:
        """Serve the catalog's models; the base URL.

        Raises `EndpointError` when the port is taken, `InvalidRequest` for an unsafe address.
        """
        async with self._switching:
            await self._stop()
            # FastAPI takes 0.4 s to import. The window's start need not wait for it, nor need the
            # answers that run on this loop: a thread does it first.
            await asyncio.to_thread(importlib.import_module, "minerva_desktop.server.endpoint")
            from minerva_desktop.server.config import EndpointConfig
            from minerva_desktop.server.endpoint import Endpoint

            config = EndpointConfig(host=host, port=port, api_key=api_key)
            endpoint = Endpoint(self.pool, self._catalog, config)
            url = await endpoint.start()
            self._endpoint = endpoint
            return url

    async def stop_endpoint(self) -> None:
        """Stop serving; running answers are cancelled. Idempotent."""
        async with self._switching:
            await self._stop()

    async def _stop(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.stop()

    async def measure_memory(self) -> MemorySnapshot:
        """Memory of the device in use, and the share of our engine children."""
        return await asyncio.to_thread(self._measure_memory, self.pool.pids())

    def _measure_memory(self, pids: list[int]) -> MemorySnapshot:
        if self._probe is None:
            # psutil takes 60 ms to import, which the window's start need not wait for.
            from minerva_desktop.devices.memory import MemoryProbe, find_nvml

            self._probe = MemoryProbe(find_nvml())
        return self._probe.snapshot(pids)

    async def close(self) -> None:
        """Stop the endpoint and end every engine child."""
        await self.stop_endpoint()
        await self.pool.close()
        if self._probe is not None:
            self._probe.close()
