"""Where exported chats go, and as what. Pure but for a look at the disk; any thread."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.chat.export_names import file_stem
from minerva_desktop.chat.export_view import UNTITLED
from minerva_desktop.errors import ChatFileError


class ExportFormat(StrEnum):
    """What chats are written as."""

    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"

    @property
    def suffix(self) -> str:
        """Of files of this format, with its dot."""
        return ".md" if self is ExportFormat.MARKDOWN else f".{self.value}"


def format_of(path: Path) -> ExportFormat | None:
    """The format that a file's name asks for."""
    return _BY_SUFFIX.get(path.suffix.lower())


_BY_SUFFIX = MappingProxyType(
    {
        ".md": ExportFormat.MARKDOWN,
        ".markdown": ExportFormat.MARKDOWN,
        ".html": ExportFormat.HTML,
        ".htm": ExportFormat.HTML,
        ".json": ExportFormat.JSON,
    }
)


class ExportTarget(msgspec.Struct, frozen=True):
    """Where chats go: into one file, or as several into a folder or a zip archive."""

    path: Path
    is_file: bool  # that holds all chats, or the only one


def target_for(
    chats: Sequence[ConversationSummary], kind: ExportFormat, output: Path | None, today: str
) -> ExportTarget:
    """Where an export goes that was asked to go to ``output``: a file or, where a folder is there,
    into that. None: here, under the chat's title or, of several, with the date ``today``.

    Several chats as JSON are one file; as Markdown or HTML they are files in a folder, or in an
    archive where ``output`` ends with .zip. Raises `ChatFileError` where they would go into a new
    folder with the name of a file.
    """
    is_file = len(chats) == 1 or kind is ExportFormat.JSON
    stem = file_stem(chats[0].title or UNTITLED) if len(chats) == 1 else f"minerva-chats-{today}"
    if output is None:
        return ExportTarget(Path(stem + (kind.suffix if is_file else "")), is_file)
    if output.suffix.lower() == ".zip":
        return ExportTarget(output, False)
    if is_file and output.is_dir():
        return ExportTarget(output / (stem + kind.suffix), True)
    if not is_file and format_of(output) is not None and not output.is_dir():
        raise ChatFileError(
            f"{output} would be one file, but each of {len(chats):,} chats becomes its own: name a "
            f"folder ({output.with_suffix('')}) or an archive ({output.with_suffix('.zip')}), or "
            f"export them as json ({output.with_suffix('.json')})"
        )
    return ExportTarget(output, is_file)


def backup_target(output: Path | None, today: str) -> Path:
    """Where a copy of all chats goes: the file ``output``, or into the folder; None: here."""
    if output is not None and not output.is_dir():
        return output
    return (output or Path()) / f"minerva-chats-{today}.sqlite3"
