"""Text, or other bytes, written to a file that a person chose. Blocking."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from minerva_desktop.errors import MinervaError, os_reason


def save_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8; see `save_bytes`."""
    save_bytes(path, text.encode())


def save_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, which the person agreed to replace. What is there stays until
    all is written. Raises `MinervaError`."""
    target = path.resolve() if path.is_symlink() else path
    draft = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            raise MinervaError(f"{target.name} is no regular file: choose another name")
        draft.write_bytes(content)
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise MinervaError(f"{path.name} cannot be written: {os_reason(error)}") from error
