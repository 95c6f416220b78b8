"""The API keys as the window shows and changes them. The file blocks, so a thread does it."""

from __future__ import annotations

import asyncio

import msgspec

from minerva_desktop.api_keys import KeyFile


class AccessKey(msgspec.Struct, frozen=True):
    """A key that is kept: its name, its last characters, and when it was made (Unix time in
    seconds)."""

    name: str
    ends_with: str
    created: int


class AccessKeys:
    """The keys that open the local server; with none of them everybody on this computer may."""

    def __init__(self, file: KeyFile) -> None:
        self._file = file

    async def listed(self) -> tuple[AccessKey, ...]:
        """All of them, the oldest first. Raises `StoreError`."""
        stored = await asyncio.to_thread(self._file.stored_keys)
        return tuple(AccessKey(key.name, key.ends_with, key.created) for key in stored)

    async def create(self, name: str) -> str:
        """Make a key and return it: nobody can tell it later. Raises `InvalidRequest` for a name
        that is taken or no name, and `StoreError`."""
        _, key = await asyncio.to_thread(self._file.create, name)
        return key

    async def revoke(self, name: str) -> None:
        """Forget a key: it opens nothing any more. Raises `InvalidRequest` and `StoreError`."""
        await asyncio.to_thread(self._file.revoke, name)
