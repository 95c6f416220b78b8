"""`MessageQueue`: messages that were sent while an answer was written, and wait for its end.

On disk they stand beside the chat's draft, and wait for their person when it is opened again.
Messages of the chat that a person is changing stand before its draft: an app that dies brings them
back there.
Lives on the thread and asyncio loop of its session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from minerva_desktop.app.session_keeper import SessionKeeper
from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.chat.conversation import Conversation, new_id
from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.waiting_message import Waiting, WaitingMessage
from minerva_desktop.paths import path_of, path_text


class MessageQueue:
    """Knows nothing of its session, which would be kept in memory by that."""

    def __init__(self, conversation: Conversation, keeper: SessionKeeper) -> None:
        self._conversation = conversation
        self._keeper = keeper
        self._items = [
            QueuedMessage(new_id(), each.text, path_of(each.model), each.files)
            for each in conversation.waiting
        ]
        self.is_from_disk = bool(self._items)  # and none of them was sent since
        self._before: QueuedMessage | None = None  # what is being changed, as it was
        self._edits: tuple[str, ...] = ()
        self._saving: set[asyncio.Task[None]] = set()
        self._saved_files = conversation.draft_files
        self._saved_waiting: Waiting | None = conversation.waiting  # None: the disk may have others

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> tuple[QueuedMessage, ...]:
        """What waits, the first first."""
        return tuple(self._items)

    def add(self, text: str, model_path: Path, files: Files = (), place: int | None = None) -> None:
        """One more waits, at the end or at ``place``."""
        at = len(self._items) if place is None else place
        self._items.insert(at, QueuedMessage(new_id(), text, model_path, files))
        self._changed()

    def take(self, queued_id: str) -> QueuedMessage | None:
        """One waits no longer; None when it did not wait."""
        for queued in self._items:
            if queued.id == queued_id:
                if queued is self.edited:
                    self._before = None
                self._items.remove(queued)
                self.is_from_disk = self.is_from_disk and bool(self._items)
                self._changed()
                return queued
        return None

    def move(self, queued_id: str, by: int) -> bool:
        """One waits ``by`` places further on, or as far as there are any; whether that is elsewhere
        than before."""
        ids = [queued.id for queued in self._items]
        if queued_id not in ids:
            return False
        before = ids.index(queued_id)
        after = max(0, min(before + by, len(ids) - 1))
        self._items.insert(after, self._items.pop(before))
        if after != before:
            self._changed()
        return after != before

    def find_models(self, find: Callable[[Path], Path]) -> None:
        """Each is for the model that ``find`` has for its own from now on, as is what the one that
        is being changed was before."""
        for each in self.items:
            self._put(replace(each, model_path=find(each.model_path)))
        if self._before is not None:
            self._before = replace(self._before, model_path=find(self._before.model_path))

    @property
    def first(self) -> QueuedMessage | None:
        """That which has waited longest; None when none waits."""
        return self._items[0] if self._items else None

    # -- one that is being changed -----------------------------------------------------------

    @property
    def edited(self) -> QueuedMessage | None:
        """The one that is being changed, as far as it has been; None where none is."""
        if self._before is None:
            return None
        return next(each for each in self._items if each.id == self._before.id)

    def begin_edit(self, queued_id: str) -> QueuedMessage | None:
        """That one is being changed from now on, and no other; None when it does not wait."""
        self._before = next((each for each in self._items if each.id == queued_id), None)
        return self._before

    def change_edited(self, text: str, files: Files) -> None:
        """It says that now, or what it said before where that would be nothing."""
        if self._before is not None:
            is_blank = not text.strip() and not files
            changed = replace(self._before, text=text, files=files)
            self._put(self._before if is_blank else changed)

    def end_edit(self, model_path: Path | None) -> None:
        """It stays as it was changed, for that model, if there is one."""
        edited, self._before = self.edited, None
        if edited is not None and model_path is not None:
            self._put(replace(edited, model_path=model_path))

    def undo_edit(self) -> None:
        """It is again what it was."""
        if self._before is not None:
            self._put(self._before)
            self._before = None

    def _put(self, new: QueuedMessage) -> None:
        """In the place of the one with its id."""
        at = [each.id for each in self._items].index(new.id)
        if self._items[at] != new:
            self._items[at] = new
            self._changed()

    # -- what is on disk ---------------------------------------------------------------------

    async def settle(self) -> None:
        """At the end of the session: return when all is on disk. What is being changed in the
        transcript is kept by who shows it, from now on."""
        if self._edits or self._saved_waiting != self._conversation.waiting:
            self._edits = ()
            await self._begin_saving()
        if self._saving:
            await asyncio.wait(self._saving)

    def keep_draft(
        self, text: str, files: Files, edits: tuple[str, ...] | None = None
    ) -> Coroutine[Any, Any, None]:
        """Remember what stands in the composer and, for an app that dies, messages as a person has
        changed them so far; None: those of before. The conversation has it at once, for it may be
        shown again before the disk does: what is returned waits for that."""
        chat = self._conversation
        new = text, files, self._edits if edits is None else edits
        is_changed = new != (chat.draft, chat.draft_files, self._edits)
        chat.draft, chat.draft_files, self._edits = new
        return self._saved(is_changed)

    async def _saved(self, is_changed: bool) -> None:
        if is_changed:
            await self._begin_saving()

    async def _save(self) -> None:
        chat = self._conversation
        before, now = self._saved_waiting, chat.waiting
        if now != before:
            self._saved_waiting = now  # before it is: the next change is written behind this one
            with_files = before is None or [e.files for e in now] != [e.files for e in before]
            if not await self._keeper.save_waiting(now, with_files=with_files):
                self._saved_waiting = None
        await self._keeper.save_draft("\n\n".join(filter(None, (*self._edits, chat.draft))))
        if chat.draft_files != self._saved_files:  # they may be large
            self._saved_files = chat.draft_files
            await self._keeper.save_draft_files(chat.draft_files)

    def _changed(self) -> None:
        """The conversation has it at once, and the disk soon."""
        self._conversation.waiting = tuple(
            WaitingMessage(each.text, path_text(each.model_path), each.files)
            for each in self._items
        )
        _ = self._begin_saving()

    def _begin_saving(self) -> asyncio.Task[None]:
        """At the end of the session it is waited for."""
        task = asyncio.ensure_future(self._save())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)
        return task
