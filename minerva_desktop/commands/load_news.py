"""What `minerva serve` says of the models that come and go. On the loop of the runtime."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from minerva_desktop.engine.pool_events import (
    GoneCause,
    MemoryTrimmed,
    ModelGone,
    ModelReady,
    PoolEvent,
)
from minerva_desktop.errors import AppReplaced
from minerva_desktop.units import format_bytes


class LoadNews:
    """Listens to the events of a pool: a line for each model that is loaded, with the time that
    this took once there was memory for it, for what had to give for it, what to beware of, and what
    was unloaded for it; for each that could not be loaded, for the first time or again; and for
    each that goes because nobody used it, or because the app was updated meanwhile. The log says
    what memory pressure took, and which process died."""

    def __init__(
        self,
        say: Callable[[str], None],
        id_of: Callable[[Path], str],
        at_start: Collection[Path] = (),
    ) -> None:
        """``say`` gets a sentence; ``id_of``: what clients call a model, without a look at the
        disk. Where one of ``at_start`` is not loaded, the command ends and says why itself."""
        self._say = say
        self._id_of = id_of
        self._starting = set(at_start)
        self._loaded: set[Path] = set()

    def __call__(self, event: PoolEvent) -> None:
        """One event."""
        if isinstance(event, MemoryTrimmed):
            return
        name = self._id_of(event.path)
        match event:
            case ModelReady(info=info):
                self._loaded.add(event.path)
                self._starting.discard(event.path)
                n_bytes = info.weights_bytes + info.kv_bytes + info.compute_bytes
                self._say(
                    f"Loaded {name} in {event.seconds:.1f} s: context of {info.n_ctx:,} tokens, "
                    f"{format_bytes(n_bytes)}"
                )
                for sentence in (*event.choice.reasons, *event.choice.warnings):
                    self._say(f"{name}: {sentence}")
                for gone in event.unloaded:
                    self._say(f"Unloaded {self._id_of(gone.path)} for it")
            case ModelGone():
                self._say_gone(name, event)

    def _say_gone(self, name: str, event: ModelGone) -> None:
        is_told = event.path in self._loaded or event.path in self._starting  # by whom see above
        self._loaded.discard(event.path)
        if event.cause is GoneCause.IDLE:
            self._say(f"Unloaded {name}, which nobody used")
        elif isinstance(event.error, AppReplaced):
            self._say(event.error.message)
        elif event.error is not None and not is_told:
            again = " again" if event.cause is GoneCause.LOST else ""
            self._say(f"{name} could not be loaded{again}: {event.error.message}")
