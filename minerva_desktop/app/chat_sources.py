"""Files that chats are imported from: a JSON file, a zip archive, or a folder with such files.

What is in them is untrusted. Nothing is unpacked to the disk, each file and each archive is read up
to a bound, and archives that would grow out of all proportion are refused. No Qt; blocking, for a
thread beside the one that shows the window.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path, PurePath, PurePosixPath

import msgspec

from minerva_desktop.app.folder_files import DATABASE_MAGIC, MAX_DEPTH, MAX_FILES, files_below
from minerva_desktop.chat.import_values import FindAsset
from minerva_desktop.errors import ChatFileError, os_reason
from minerva_desktop.units import format_bytes

MAX_JSON_BYTES = 1024**3  # of one file of chats; ChatGPT itself divides larger ones
MAX_ASSET_BYTES = 64 * 1024**2  # of one image or text file
MAX_RATIO = 200  # of unpacked to packed bytes, from `RATIO_MATTERS` on; JSON packs 5 to 50 times
RATIO_MATTERS = 64 * 1024**2

# ChatGPT's names of attachments begin with their ids: file-Ab12-cat.png, file_00ff-sanitized.png.
_USER_FILES = "user-files"  # LM Studio's folder of attachments, beside that of its conversations
_FILE_ID = re.compile(r"file[-_][0-9A-Za-z]+")

ReadFile = Callable[[int], bytes]  # up to so many bytes; raises `ChatFileError`


class SourceFile(msgspec.Struct, frozen=True):
    """A JSON file that may hold chats. ``name``: its name without folders; ``n_bytes``: its size,
    unpacked; ``find`` gives attachments that lie beside it."""

    name: str
    n_bytes: int
    read: ReadFile
    find: FindAsset


def files_of(path: Path) -> Iterator[SourceFile]:
    """The JSON files at ``path``. Raises `ChatFileError` for what cannot be opened."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from _of_folder(path)
        elif not stat.S_ISREG(mode):
            raise ChatFileError(f"{path} is neither a file nor a folder")
        elif zipfile.is_zipfile(path):
            yield from _of_archive(path)
        elif is_database(path):
            raise ChatFileError(
                f"{path.name} may be a copy of all chats, which is restored, not imported: under"
                " Backups… in the window, or by `minerva chats restore`"
            )
        else:
            beside = _Assets(lambda: _beside(path))
            yield SourceFile(path.name, path.stat().st_size, _reader(path), beside.find)
    except OSError as error:
        raise ChatFileError(f"{path} cannot be read: {os_reason(error)}") from error


def is_database(path: Path) -> bool:
    """Whether it is a database, as the copies of all chats are. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(len(DATABASE_MAGIC)) == DATABASE_MAGIC


def n_bytes_of(paths: Iterable[Path]) -> int:
    """How many bytes the files at ``paths`` have that `files_of` gives, unpacked; of what cannot be
    opened none. Reads nothing but folders and the tables of archives."""
    n_bytes = 0
    for path in paths:
        with suppress(ChatFileError):
            n_bytes += sum(source.n_bytes for source in files_of(path))
    return n_bytes


class _Assets:
    """Attachments by their ids, looked for when the first of them is.

    Only what ChatGPT's ids name, and what is in a folder of LM Studio's for attachments: a file of
    chats from anywhere must not get at whatever else lies beside it.
    """

    def __init__(self, files: Callable[[], Iterator[tuple[PurePath, ReadFile]]]) -> None:
        self._files = files
        self._by_id: dict[str, ReadFile] | None = None

    def find(self, asset_id: str) -> bytes | None:
        """The bytes of an attachment; None where there is none, or a far too large one."""
        if self._by_id is None:
            self._by_id = {}
            with suppress(ChatFileError):  # of a folder with far too many files
                for path, read in self._files():
                    found = _FILE_ID.match(path.name)
                    if found is not None or path.parent.name == _USER_FILES:
                        self._by_id.setdefault(found[0] if found else path.name, read)
        wanted = _FILE_ID.match(asset_id)
        read_file = self._by_id.get(wanted[0] if wanted else asset_id)
        try:
            return None if read_file is None else read_file(MAX_ASSET_BYTES)
        except ChatFileError:
            return None


# -- folders -----------------------------------------------------------------------------------


def _of_folder(folder: Path) -> Iterator[SourceFile]:
    paths = list(files_below(folder, MAX_DEPTH))
    assets = _Assets(lambda: ((path, _reader(path)) for path in paths))
    for path in sorted(paths):
        if path.suffix.lower() == ".json":
            yield SourceFile(path.name, _size(path), _reader(path), assets.find)


def _beside(path: Path) -> Iterator[tuple[PurePath, ReadFile]]:
    """What lies beside a file of chats, also in the folders that ChatGPT's and LM Studio's have."""
    for found in files_below(path.parent, 1):
        yield found, _reader(found)
    for folder in (path.parent.parent / _USER_FILES, path.parent.parent.parent / _USER_FILES):
        if path.name.endswith(".conversation.json") and folder.is_dir():
            yield from ((found, _reader(found)) for found in files_below(folder, 0))


def _size(path: Path) -> int:
    """0 for what went meanwhile: reading it says so."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _reader(path: Path) -> ReadFile:
    return lambda limit: _read_file(path, limit)


def _read_file(path: Path, limit: int) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise ChatFileError(f"{path} is no regular file")
        with path.open("rb") as stream:
            return _bounded(stream.read(limit + 1), str(path), limit)
    except OSError as error:
        raise ChatFileError(f"{path} cannot be read: {os_reason(error)}") from error


def _bounded(content: bytes, name: str, limit: int) -> bytes:
    if len(content) > limit:
        raise ChatFileError(f"{name} is larger than {format_bytes(limit)}")
    return content


# -- archives ----------------------------------------------------------------------------------


def _of_archive(file: Path) -> Iterator[SourceFile]:
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(file))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ChatFileError(f"{file} is a damaged archive: {error}") from error
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) > MAX_FILES:
            raise ChatFileError(f"{file} holds over {MAX_FILES:,} files")
        named = [(PurePosixPath(member.filename), member) for member in members]
        assets = _Assets(lambda: ((path, _unpacker(archive, member)) for path, member in named))
        for path, member in sorted(named, key=lambda each: each[1].filename):
            if path.suffix.lower() == ".json":
                read_file = _unpacker(archive, member)
                yield SourceFile(path.name, member.file_size, read_file, assets.find)


def _unpacker(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ReadFile:
    return lambda limit: _unpacked(archive, member, limit)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    name = f"{member.filename} in {Path(archive.filename or '').name}"
    if member.flag_bits & 1:
        raise ChatFileError(f"{name} is encrypted: unpack it first")
    grows = member.file_size / max(member.compress_size, 1)
    if member.file_size > RATIO_MATTERS and grows > MAX_RATIO:
        raise ChatFileError(f"{name} would grow {grows:,.0f} times by unpacking, which no chats do")
    try:
        with archive.open(member) as stream:
            return _bounded(stream.read(limit + 1), name, limit)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise ChatFileError(f"{name} cannot be unpacked: {error}") from error
