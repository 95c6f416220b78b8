"""Which chats' states are to be saved, and which can be read back, for one engine core.

Between `snapshots` (files) and the scheduler (slots). Engine child, main thread.
"""

from __future__ import annotations

import time

import msgspec

from minerva_desktop.engine.core.llama import LlamaContext
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.slot import Slot, common_prefix
from minerva_desktop.engine.core.snapshots import SnapshotStore

# A chat is saved once the engine has been idle so long: who goes on at once, or regenerates an
# answer, does not pay for writing a state that is about to change. Longer for a large state, so
# that a day of chatting wears a disk by no more than this rate: 1 GB waits for 50 s.
SAVE_AFTER_SECONDS = 1.0
BYTES_PER_SECOND = 20_000_000
WORTH_RESTORING = 128  # tokens more than the cache still has


class _Unsaved(msgspec.Struct, frozen=True):
    slot: Slot
    used_at: int


class ChatStates:
    """Restores the sequences of named chats, and saves them when there is nothing else to do.

    Each is done in one piece, and nothing is computed meanwhile: of 71 MB (3,070 tokens of SmolLM2)
    writing takes 53 ms, checking and reading 40 (processor time). So nothing is saved while any
    answer runs; what is taken by another chat before there was time is not saved at all. A request
    that comes during a save waits for its end. A restore is done at admission, and holds up the
    answers that run for a fraction of the prompt's first chunk, which would hold them up too.
    """

    def __init__(self, store: SnapshotStore, *, context: LlamaContext, append_only: bool) -> None:
        """``append_only``: see `SlotTable`; llama.cpp never writes the cells that a sliding window
        has passed, even where the cache still holds them."""
        self._store = store
        self._context = context
        self._append_only = append_only
        self._unsaved: dict[str, _Unsaved] = {}
        self._save_at: float | None = None  # `time.monotonic`; None while there is work

    @property
    def has_unsaved(self) -> bool:
        """Whether `save` would write something, or is about to have written it. Any thread."""
        return bool(self._unsaved)

    def restore(self, name: str, sequence: Sequence, scheduler: Scheduler) -> int:
        """Read the state of chat ``name`` into the slot of a sequence that was just admitted, if it
        holds much more of its prompt than the slot does. How many tokens that brought."""
        snapshot, slot = self._store.find(name, sequence.variant), sequence.slot
        if snapshot is None or slot is None:
            return 0
        n_saved = len(snapshot.tokens)
        length = common_prefix(snapshot.tokens, sequence.tokens, len(sequence.tokens) - 1)
        if scheduler.is_steady(sequence):
            length = min(length, snapshot.n_steady)
        if length < slot.n_held + WORTH_RESTORING or (self._append_only and length < n_saved):
            return 0
        if not scheduler.may_hold(slot, n_saved) or not self._store.is_whole(snapshot):
            return 0
        self._context.forget(slot.index)
        scheduler.lost(sequence)
        for evicted in scheduler.reserve(n_saved):
            self._context.forget(evicted.index)
        if not scheduler.has_free_cells(n_saved):
            return 0
        if not self._context.restore(slot.index, snapshot.path, snapshot.tokens):
            self._context.forget(slot.index)
            scheduler.found_no_room()
            return 0
        self._context.forget(slot.index, length)
        scheduler.restored(sequence, length, min(length, snapshot.n_steady))
        return length

    def note(self, name: str, slot: Slot) -> None:
        """What chat ``name`` left in ``slot``, which is idle now, is worth a file."""
        self._unsaved.pop(name, None)  # the latest is the last one
        self._unsaved[name] = _Unsaved(slot, slot.used_at)

    def is_unsaved(self, slot: Slot) -> bool:
        """Whether what ``slot`` holds is still to be written."""
        return any(
            unsaved.slot is slot and unsaved.used_at == slot.used_at
            for unsaved in self._unsaved.values()
        )

    def seconds_until_save(self) -> float | None:
        """How long to wait for requests before `save`, while there is no work; None: for ever."""
        if not self._unsaved:
            self._save_at = None
            return None
        now = time.monotonic()
        if self._save_at is None:
            slots = [unsaved.slot.index for unsaved in self._unsaved.values()]
            n_bytes = sum(self._context.state_size(slot) for slot in slots)
            self._save_at = now + max(SAVE_AFTER_SECONDS, n_bytes / BYTES_PER_SECOND)
        return max(0.0, self._save_at - now)

    def put_off(self) -> None:
        """There is work again: how long to wait is counted anew after it."""
        self._save_at = None

    def save(self) -> None:
        """Write one chat that is still in its slot, the latest first."""
        is_written = False
        while self._unsaved and not is_written:
            name, unsaved = next(reversed(self._unsaved.items()))
            slot = unsaved.slot
            if not slot.busy and slot.used_at == unsaved.used_at and slot.n_held:
                self._store.save(name, self._context, slot)
                is_written = True
            del self._unsaved[name]  # only now: the end of the process waits for what is unsaved
