"""Files in folders that people give the app, without what reads them: the window's drops need these
from the start. No Qt; blocking, for a thread beside the one that shows the window.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from minerva_desktop.errors import ChatFileError

MAX_FILES = 200_000  # of a folder or an archive
MAX_DEPTH = 8  # of folders in each other
DATABASE_MAGIC = b"SQLite format 3\0"


def files_below(folder: Path, depth: int) -> Iterator[Path]:
    """Files below a folder, those of further folders only up to ``depth``. Raises `ChatFileError`
    where they are too many."""
    n_files = 0
    for place, folders, names in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= depth:
            folders.clear()
        for name in names:
            n_files += 1
            if n_files > MAX_FILES:
                raise ChatFileError(f"{folder} holds over {MAX_FILES:,} files")
            yield Path(place, name)
