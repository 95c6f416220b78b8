"""How many requests may wait for a model. A value that is changed and read on the engine's loop."""

from __future__ import annotations

from dataclasses import dataclass

MAX_WAITING = 256  # requests and questions beside those that run, unless told otherwise


@dataclass(slots=True)
class QueueLimit:
    """One for all engines of a runtime, so that a change holds at once for those that are loaded,
    too."""

    n_waiting: int = MAX_WAITING
