"""What went wrong with the file of the chats, in words. Pure."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw

from minerva_desktop.errors import StoreError

# The disk does not take what is written, and may do so again later.
DISK_TROUBLES = (apsw.FullError, apsw.ReadOnlyError, apsw.IOError)

_DAMAGES = ("CorruptError", "NotADBError", "UnicodeDecodeError")


def is_damage(error: StoreError) -> bool:
    """Whether a file is damaged: opening it anew recovers what can be read."""
    return error.detail.startswith(_DAMAGES)


def store_error(path: Path, error: Exception) -> StoreError:
    """The error that is shown for one of SQLite's or of the system's about ``path``."""
    return StoreError(
        f"The chats in {path} cannot be read or written: {reason_of(path, error)}",
        detail=f"{type(error).__name__}: {error}",
    )


def remedy_of(error: Exception) -> str:
    """What a person does about a disk that does not take what is written; begins a sentence."""
    match error:
        case apsw.FullError():
            return "Make room"
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            return "Make the file and its folder writable"
    return "See to the disk"


def newer_file(path: Path, version: int, known: int) -> StoreError:
    """A file with a schema that this program does not know."""
    return StoreError(
        f"The chats in {path} were written by a newer Minerva (format {version}, this one knows"
        f" up to {known}). They are untouched: update Minerva and start it again to open them"
    )


def reason_of(path: Path, error: Exception) -> str:
    """What happened, in words."""
    reason = str(error)
    match error:
        case apsw.BusyError() | apsw.LockedError():
            reason = (
                "Minerva is open already in another window or session, or another program has "
                "the file open"
            )
        case apsw.FullError():
            reason = f"the disk is full ({free_bytes(path):,} bytes free)"
        case apsw.ReadOnlyError():
            reason = "the file or its folder is read-only"
        case apsw.CantOpenError() | apsw.PermissionsError():
            reason = (
                "the file or its folder may not be opened or written. Make both writable, or have"
                " Minerva use another folder"
            )
        case apsw.CorruptError() | apsw.NotADBError() | UnicodeDecodeError():
            reason = (
                "the file is damaged. Start Minerva again: it then recovers what can be read, and"
                " keeps the damaged file"
            )
        case FileExistsError():
            reason = "there is a file where its folder should be"
        case OSError(strerror=str(words)):
            reason = words
    return reason


def free_bytes(path: Path) -> int:
    """What is free on the disk of ``path``, for this user; 0 where that cannot be told."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return 0
