"""The requests of other programs, as the window's thread asks the engine's thread for them.

A part of `EngineWorker`, which makes it and lends it the ways into its thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from PySide6.QtCore import QObject, Signal

from minerva_desktop.chat.served_request import RequestRecord

Result = TypeVar("Result")


class Await(Protocol):
    """Runs ``work`` in the engine's thread."""

    def __call__(self, work: Coroutine[Any, Any, Result]) -> Coroutine[Any, Any, Result]:
        """Its result; raises what it raises."""


class Activity(Protocol):
    """What the endpoint does; see `server.activity`."""

    def snapshot(self) -> tuple[RequestRecord, ...]:
        """The requests that run, and the last that did."""

    def cancel(self, number: int) -> None:
        """End one."""

    async def prompt(self, number: int) -> str:
        """What the model got for one."""


class Serving(Protocol):
    """What is asked of the runtime; see `runtime.Runtime`."""

    @property
    def activity(self) -> Activity:
        """Its requests."""

    def n_requests(self, model: Path) -> int:
        """How many need ``model`` now, or wait for it."""


class RequestCalls(QObject):
    """Public methods are for the window's thread and return at once; the signal arrives there."""

    # tuple of RequestRecord
    listed = Signal(object)

    def __init__(
        self,
        call: Callable[..., None],
        await_: Await,
        runtime: Callable[[], Serving],
        parent: QObject,
    ) -> None:
        """``call`` has a function called in the engine's thread; ``runtime`` is the one that runs
        there."""
        super().__init__(parent)
        self._call = call
        self._await = await_
        self._runtime = runtime

    def list_all(self) -> None:
        """Have ``listed`` emitted."""
        self._call(self._list_all)

    def cancel(self, number: int) -> None:
        """End a request; no-op when it is over."""
        self._call(self._runtime().activity.cancel, number)

    async def prompt(self, number: int) -> str:
        """The text that the model got for a request. Raises `InvalidRequest` when it is gone."""
        return await self._await(self._runtime().activity.prompt(number))

    async def n_running(self, model: Path) -> int:
        """How many need ``model`` now, or wait for it."""
        return await self._await(self._n_running(model))

    def _list_all(self) -> None:
        self.listed.emit(self._runtime().activity.snapshot())

    async def _n_running(self, model: Path) -> int:
        return self._runtime().n_requests(model)
