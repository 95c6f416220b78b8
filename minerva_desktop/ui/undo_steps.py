"""What Ctrl+Z undoes outside text fields: the last step whose notice offered it, also long after
that notice is gone. Main thread."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

MAX_STEPS = 100  # beyond, the oldest is forgotten


class UndoStep(msgspec.Struct, frozen=True):
    """``text`` says that it was undone, ``callback_id`` undoes it, ``identity`` is its notice's;
    ``revision`` is how often the message that is written had been changed by then."""

    text: str
    callback_id: str
    identity: str
    revision: int


class UndoSteps:
    """The steps that can be undone, in the order in which they were done. ``revision`` says how
    often the message that is written was changed, which has a Ctrl+Z of its own."""

    def __init__(self) -> None:
        self.revision: Callable[[], int] = int
        self._steps: list[UndoStep] = []

    @property
    def is_last_change(self) -> bool:
        """Whether the message has not been changed since the last step."""
        return bool(self._steps) and self._steps[-1].revision == self.revision()

    def add(self, text: str, callback_id: str, identity: str, undone: str = "") -> None:
        """``text`` says what was done, and ``undone`` that it was undone."""
        undone = undone or f"Undone: {text}"
        self._steps.append(UndoStep(undone, callback_id, identity, self.revision()))
        del self._steps[:-MAX_STEPS]

    def take_last(self) -> UndoStep | None:
        """What was done last, which is about to be undone; None where there is nothing."""
        return self._steps.pop() if self._steps else None

    def drop(self, callback_id: str) -> None:
        """It was undone."""
        self._steps = [step for step in self._steps if step.callback_id != callback_id]

    def withdraw(self, identity: str) -> None:
        """What that notice was about cannot be undone any more."""
        self._steps = [step for step in self._steps if step.identity != identity]

    def clear(self) -> None:
        """All that was done is about what is not there any more."""
        self._steps.clear()
