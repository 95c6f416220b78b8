"""What a pool plans, tells and needs: values, and the Protocol of an engine in it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from minerva_desktop.devices.ledgers import Needs
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.errors import MinervaError
from minerva_desktop.units import format_bytes


class GoneCause(StrEnum):
    """Why a model is no longer loaded."""

    ASKED = "asked"
    FAILED = "failed"
    LOST = "lost"  # its load failed, too, but nobody waited for that: it was to be loaded again
    ROOM = "room"  # another one needed its memory
    IDLE = "idle"
    PRESSURE = "pressure"  # other programs need the memory


class LoadChoice(msgspec.Struct, frozen=True):
    """How a model is best loaded: ``options`` with nothing left open, the memory that they take by
    device, how that fits (a `library.fit.Fit`), and a sentence for each thing that had to give;
    ``notes`` are on what is more than wished, ``warnings`` on what to beware of. ``beside``: what
    of the ``needs`` the process takes beside what `ContextInfo` tells: its vocabulary, buffers of
    its own, its context on a GPU. ``n_ctx_alone``: the context in tokens that it would get if no
    other model held memory, where that is longer. ``files``: size in bytes, time of change in
    nanoseconds and inode of each of the model's files, as they were then."""

    options: LoadOptions
    needs: Needs
    fit: str = "fits"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    beside: Needs = {}
    n_ctx_alone: int | None = None
    files: tuple[tuple[int, int, int], ...] = ()


class LoadPlan(msgspec.Struct, frozen=True):
    """What loading a model takes: with which options, and which idle models go for it, freeing
    ``n_freed`` bytes. ``missing`` by device says what the budgets lack even then; empty: it fits.
    """

    path: Path
    choice: LoadChoice
    unloads: tuple[Path, ...]
    n_freed: int
    missing: Needs


class ModelLoading(msgspec.Struct, frozen=True):
    """A load goes on; ``fraction`` 0.0 to 1.0."""

    path: Path
    fraction: float


class Unloaded(msgspec.Struct, frozen=True):
    """A model that went for another one, and the bytes that this freed on all devices together."""

    path: Path
    n_bytes: int


class ModelReady(msgspec.Struct, frozen=True):
    """A model is loaded as ``choice`` says, in process ``pid``; ``unloaded`` went for it.
    ``is_back``: again as it was, for what it had gone for could not be loaded. ``seconds`` that
    the load took from when it had its memory."""

    path: Path
    info: ContextInfo
    pid: int
    choice: LoadChoice
    unloaded: tuple[Unloaded, ...] = ()
    is_back: bool = False
    seconds: float = 0.0


class ModelGone(msgspec.Struct, frozen=True):
    """A model is no longer loaded (or failed to); ``error`` says why if nobody asked for it, and
    ``room_for`` names the model that took its place. ``n_freed``: bytes that it held."""

    path: Path
    error: MinervaError | None = None
    cause: GoneCause = GoneCause.ASKED
    room_for: Path | None = None
    n_freed: int = 0


class MemoryTrimmed(msgspec.Struct, frozen=True):
    """The processes of the models ``paths`` gave back ``n_bytes`` of the system's memory that only
    made their next answers quicker; ``why`` is half a sentence on who needs it."""

    paths: tuple[Path, ...]
    n_bytes: int
    why: str

    @property
    def message(self) -> str:
        """For people."""
        return (
            f"{format_bytes(self.n_bytes)} of memory that kept chats ready were given back: "
            f"{self.why}. Next answers in these chats may begin a little later"
        )


ModelEvent = ModelLoading | ModelReady | ModelGone
PoolEvent = ModelEvent | MemoryTrimmed


class PooledEngine(Protocol):
    """What the pool needs of an engine; `LlamaEngine` is one."""

    @property
    def pid(self) -> int | None:
        """The child's process id."""

    async def load(
        self, *, options: LoadOptions, on_progress: Callable[[float], None]
    ) -> ContextInfo:
        """Load; may be cancelled."""

    async def unload(self) -> None:
        """End the child; idempotent."""

    def is_loaded(self) -> bool:
        """Whether it can be used."""

    def limit_parking(self, n_bytes: int) -> None:
        """So much of the memory for models is left for chats that wait outside of its cache."""

    async def trim(self) -> int:
        """Give back what only makes the next answers quicker; bytes. Raises a `MinervaError`."""
