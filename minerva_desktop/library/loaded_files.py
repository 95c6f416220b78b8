"""The files of a model that is in memory: what becomes of them while it answers. Reads the disk."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from minerva_desktop.errors import MinervaError, ModelLoadError, ModelNotFound
from minerva_desktop.library.split_model import FileState, file_inodes, file_states

GONE = "Its file is gone; it answers from memory until it is unloaded"
REPLACED = "Its file was replaced; what was loaded answers until it is unloaded"
CHANGED = "Its file was changed in place: its answers may be wrong; unload it"


class LoadedFiles(NamedTuple):
    """The files of a model in memory when it was loaded, and whether it reads on in them."""

    states: tuple[FileState, ...]
    inodes: tuple[int, ...]
    is_mapped: bool

    def are_changed(self, path: Path) -> bool:
        """Whether one of the files of the model at ``path`` is the very one that was loaded, and is
        no longer the same."""
        count = len(self.states)
        try:
            inodes, states = file_inodes(path, count), file_states(path, count)
        except (OSError, ValueError, ModelLoadError):
            return False
        then = set(zip(self.inodes, self.states, strict=True))
        now = set(zip(inodes, states, strict=True))
        return any(inode in self.inodes for inode, _ in now - then)


def note_of(error: MinervaError) -> str:
    """What is said of a model in memory whose files cannot be loaded any more, for ``error``."""
    if isinstance(error, ModelNotFound):
        return GONE
    why = error.message.rstrip(".")
    return f"It answers from memory until it is unloaded, for its file is no longer good: {why}"
