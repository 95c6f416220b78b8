"""Parts of a message that are no text, in all dialects: files that are sent along, and the rest."""

from __future__ import annotations

from collections.abc import Mapping

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.library.display_text import one_line
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.files import GivenFile
from minerva_desktop.server.parameters.parser import MAX_FIELD_NAME, ParameterParser

NO_IMAGES = "images are not supported: the models that are served here see none, only text"
SEND_IT = "no file is kept here and none is fetched: send the file itself, in base64"
UNNAMED = "document"
_IMAGES = frozenset({"image", "image_url", "input_image"})
_WEB = ("http://", "https://")


def file_text(
    parser: ParameterParser,
    where: str,
    data: str | None,
    name: str | None,
    elsewhere: Mapping[str, str | None],
) -> str:
    """What the model reads of a file whose ``data`` are to be ``where`` they stand, in base64 or
    as a data: URL; ``elsewhere`` are the fields that name one which is not in the request. Raises
    `InvalidRequest`."""
    for field, value in elsewhere.items():
        if value is not None:
            raise UnsupportedParameter(f"{field} is not supported: {SEND_IT}", param=field)
    if data is None:
        raise InvalidRequest(f"{where} is required", param=where)
    if data[: len(_WEB[1])].lower().startswith(_WEB):
        raise UnsupportedParameter(f"{where} takes no address: {SEND_IT}", param=where)
    return parser.files.text_of(GivenFile(where=where, name=file_name(name), data=data))


def file_name(name: str | None) -> str:
    """What a file is called, in one line; never empty."""
    return one_line(name or "") or UNNAMED


def no_such_part(kind: str, taken: str, where: str, param: str) -> UnsupportedParameter:
    """The error for a part of the type ``kind`` where only those are ``taken``, in words."""
    if kind in _IMAGES:
        return UnsupportedParameter(f"{where}: {NO_IMAGES}", param=param)
    return UnsupportedParameter(
        f"{where}: only {taken} are supported, not {kind[:MAX_FIELD_NAME]!r}", param=param
    )
