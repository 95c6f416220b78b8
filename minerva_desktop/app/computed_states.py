"""What models had computed of chats, on disk: of which chats there is some that they can go on
with.

Lives on the thread and asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.engine.snapshot_files import SnapshotFiles


class ComputedStates:
    """A state is of the prompt as it was: where that begins otherwise now, the state is deleted."""

    def __init__(self, files: SnapshotFiles) -> None:
        self._files = files
        self._outdated: set[str] = set()  # chats that were not answered in since

    @property
    def folder(self) -> Path:
        """Where they are, in a folder for each model."""
        return self._files.folder

    async def by_model(self) -> dict[str, set[str]]:
        """The chats of which there is a state that the model's next load will find, by its name (as
        `answer_words.model_name`)."""
        found = await asyncio.to_thread(self._files.chats_of)
        # An engine saves what it computed a while after an answer.
        for chat_id in self._outdated & set().union(*found.values()):
            await self.remove(chat_id)
        return {model: chats - self._outdated for model, chats in found.items()}

    async def outdate(self, chat_id: str) -> None:
        """That chat begins otherwise from now on."""
        self._outdated.add(chat_id)
        await self.remove(chat_id)

    def goes_on(self, chat_id: str) -> None:
        """That chat is answered in: what is saved next is of it as it is now."""
        self._outdated.discard(chat_id)

    async def remove(self, chat_id: str) -> None:
        """Delete the states of that chat."""
        await asyncio.to_thread(self._files.remove, chat_id)


async def forget_states_of(path: Path, folder: Path) -> None:
    """Delete what the model at ``path`` computed, from the folder of all states: each of its chats
    is written otherwise now."""
    await asyncio.to_thread(SnapshotFiles(folder).remove_model, model_name(path))


async def doubt_states_of(path: Path, folder: Path) -> None:
    """The model at ``path`` is loaded otherwise from now on, which may need other states."""
    await asyncio.to_thread(SnapshotFiles(folder).doubt, model_name(path))
