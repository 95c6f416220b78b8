"""`minerva serve` as a process of its own, for tests."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.server.fake_models import plain_client

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
MODEL = "SmolLM2-135M-Instruct.Q4_1"


class Served:
    """The process, and a client for it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        url: str,
        told: Sequence[str],
        network: Sequence[str],
    ) -> None:
        """``told``: the lines before those that say where it serves; ``network``: the base URLs for
        other machines."""
        self.process = process
        self.told = told
        self.network = network
        self.url = url
        self.http = plain_client()
        self.http.base_url = url
        self.http.timeout = httpx.Timeout(60)

    async def said(self) -> str:
        """What it still says until it ends."""
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def serve(*arguments: str, **environment: str) -> AsyncIterator[Served]:
    """`minerva serve` on a free port, until it ends or the block does."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "minerva_desktop", "serve", "--port", "0", *arguments),
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert process.stderr is not None
    try:
        told: list[str] = []
        async with asyncio.timeout(START_SECONDS):
            while (line := (await process.stderr.readline()).decode().strip()) and (
                not line.startswith("Minerva serves its models at http://")
            ):
                told.append(line)
        assert line, told
        base_url = line.split()[5]
        assert base_url.endswith("/v1")
        url = base_url.removesuffix("/v1")
        network: list[str] = []
        while (docs := (await process.stderr.readline()).decode().strip()).startswith("In the"):
            network.append(docs.removeprefix("In the network: "))
        assert docs == f"Documentation: {url}/docs (Ctrl+C stops)"
        served = Served(process, url, told, network)
        async with served.http:
            yield served
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
