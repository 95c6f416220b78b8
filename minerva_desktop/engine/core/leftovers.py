"""What an engine core keeps when its requests are over, so that the next begin sooner. Engine
child, main thread, but for `has_unsaved_chats`.
"""

from __future__ import annotations

from minerva_desktop.engine.core.chat_states import ChatStates
from minerva_desktop.engine.core.logits import LogprobReader
from minerva_desktop.engine.core.parking import Parking


class Leftovers:
    """Chats that are to be saved, chats that wait outside of the cache, and memory to work in. What
    the cache itself holds is in one allocation with its free cells: to forget it gives nothing
    back."""

    def __init__(
        self,
        states: ChatStates | None = None,
        parking: Parking | None = None,
        logprobs: LogprobReader | None = None,
    ) -> None:
        """A model that makes embeddings has none of them."""
        self._states = states
        self._parking = parking
        self._logprobs = logprobs

    def seconds_until_work(self) -> float | None:
        """How long to wait for a request before `work`, while the core has nothing to compute;
        None: for ever."""
        return None if self._states is None else self._states.seconds_until_save()

    def put_off(self) -> None:
        """The core has something to compute again."""
        if self._states is not None:
            self._states.put_off()

    @property
    def has_unsaved_chats(self) -> bool:
        """Whether `work` is worth waiting for. Any thread."""
        return self._states is not None and self._states.has_unsaved

    def work(self) -> None:
        """Save a chat's state; takes as long as writing its file."""
        if self._states is not None:
            self._states.save()

    def limit_parking(self, n_bytes: int) -> None:
        """Let at most so much wait outside of the cache from now on."""
        if self._parking is not None:
            self._parking.limit(n_bytes)

    def drop(self) -> None:
        """Let go of what can be made anew. A chat that is to be saved is in the cache."""
        if self._parking is not None:
            self._parking.drop()
        if self._logprobs is not None:
            self._logprobs.forget()
