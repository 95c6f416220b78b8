"""What Ctrl+Z undoes outside text fields: the last step whose notice offered it, also long after
that notice is gone. Main thread."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

MAX_STEPS = 100  # beyond, the oldest is forgotten
# Which message is written, by its number, and how many changes of it can be undone.
Past = tuple[int, int]


def _no_message() -> Past:
    return 0, 0


class UndoStep(msgspec.Struct, frozen=True):
    """``text`` says that it was undone, ``callback_id`` undoes it, ``identity`` is its notice's;
    ``past`` is what `UndoSteps.past` was by then."""

    text: str
    callback_id: str
    identity: str
    past: Past


class UndoSteps:
    """The steps that can be undone, in the order in which they were done. ``past`` tells of the
    message that is written, which has a Ctrl+Z of its own."""

    def __init__(self) -> None:
        self.past: Callable[[], Past] = _no_message
        self._steps: list[UndoStep] = []

    @property
    def is_next(self) -> bool:
        """Whether there is a step, and no change of the message can be undone that came after
        it: it was all done to another message, or so many changes are older."""
        if not self._steps:
            return False
        message, n_changes = self.past()
        then, n_older = self._steps[-1].past
        return n_changes <= (n_older if message == then else 0)

    def add(self, text: str, callback_id: str, identity: str, undone: str = "") -> None:
        """``text`` says what was done, and ``undone`` that it was undone."""
        undone = undone or f"Undone: {text}"
        self._steps.append(UndoStep(undone, callback_id, identity, self.past()))
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
