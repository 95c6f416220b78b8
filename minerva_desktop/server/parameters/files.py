"""The files that a request brings in its content parts, whose text becomes a part of its prompt.

Reading them takes a while, so a body with files is parsed twice: first to see which ones there are
(what is wrong elsewhere is told before any is read), then with their text (`server.request_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from minerva_desktop.chat.parts import MAX_FILES
from minerva_desktop.errors import InvalidRequest

_NO_TEXTS: Mapping[str, str] = MappingProxyType({})


class GivenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it came. ``where`` its ``data`` stands, which is its text itself (``is_text``), or
    a data: URL or base64."""

    where: str
    name: str
    data: str
    is_text: bool = False


class RequestFiles:
    """Those of one request, ``texts`` by where they stand, as far as they were read; ``unread`` are
    the others that were asked for."""

    def __init__(self, texts: Mapping[str, str] = _NO_TEXTS) -> None:
        self._texts = texts
        self.unread: list[GivenFile] = []

    def text_of(self, file: GivenFile) -> str:
        """What the model reads of it; nothing as long as it is unread. Raises `InvalidRequest`
        where there are too many."""
        text = self._texts.get(file.where)
        if text is None:
            if len(self.unread) == MAX_FILES:
                raise InvalidRequest(
                    f"{file.where}: a request takes at most {MAX_FILES} files", param=file.where
                )
            self.unread.append(file)
        return text or ""
