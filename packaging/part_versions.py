"""Which versions the parts of a bundle have that no Python package names: as their own libraries
tell, and, of those taken along from a Debian, its packages. What nobody tells is left out.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import struct
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from bundle_contents import name_of
from minerva_desktop.app.third_party_table import PARTS

# How libraries tell whose code is in them, and which version.
TOLD = MappingProxyType(
    {
        "bzip2": re.compile(rb"\0(\d\.\d\.\d+), \d+-[A-Z][a-z]+-\d{4}\0"),
        "libjpeg-turbo": re.compile(rb"libjpeg-turbo version (\d+(?:\.\d+)+)"),
        "libpng": re.compile(rb"libpng version (\d+(?:\.\d+)+)"),
        "OpenSSL": re.compile(rb"OpenSSL (\d+\.\d+\.\d+[a-z]?) +\d"),
        "PCRE2": re.compile(rb"\0(10\.\d+) \d{4}-\d\d-\d\d\0"),
        "zlib": re.compile(rb"(?:de|in)flate (\d+(?:\.\d+)+) Copyright"),
    }
)
# In which libraries they are.
HOLDERS = MappingProxyType(
    {
        "bzip2": ("libbz2", "_bz2"),
        "libjpeg-turbo": ("libqjpeg", "qjpeg"),
        "libpng": ("libQt6Gui", "Qt6Gui", "QtGui"),
        "OpenSSL": ("libcrypto",),
        "PCRE2": ("libQt6Core", "Qt6Core", "QtCore"),
        "zlib": ("libQt6Core", "Qt6Core", "QtCore"),
    }
)
FONTS = MappingProxyType(
    {"STIXTwoMath-Regular.ttf": "STIX Two Math", "DejaVuSans.ttf": "DejaVu Sans"}
)
ENGINE = "llama.cpp and ggml"
_ICU = re.compile(r"libicuuc\.so\.(\d+)")
_PATCHED = "-dirty"  # behind a commit whose source was changed before it was built


def part_versions(files: Mapping[str, Path]) -> dict[str, str]:
    """The versions, by the names of `PARTS`. ``files``: where what is in the bundle came from, by
    its path there, with forward slashes."""
    found: dict[str, str] = {}
    for destination, source in files.items():
        name = PurePosixPath(destination).name
        for part, holders in HOLDERS.items():
            if name.startswith(holders) and (told := TOLD[part].search(source.read_bytes())):
                found[part] = told[1].decode("ascii")
        if name in FONTS:
            found[FONTS[name]] = font_version(source.read_bytes())
        if numbered := _ICU.match(name):
            found["ICU"] = numbered[1]
        if name_of(name) == "ggml-base" and (commit := ggml_commit(source)):
            found[ENGINE] = commit
        for known in PARTS:
            is_new = bool(known.libraries) and known.name not in found
            if is_new and name.startswith(known.libraries):
                found[known.name] = debian_version(source)
    return {part: version for part, version in found.items() if version}


def font_version(content: bytes) -> str:
    """The revision of a TrueType font, which is in its table `head`."""
    (n_tables,) = struct.unpack_from(">H", content, 4)
    for index in range(n_tables):
        tag, _, offset, _ = struct.unpack_from(">4sLLL", content, 12 + 16 * index)
        if tag == b"head":
            (revision,) = struct.unpack_from(">l", content, offset + 4)
            return f"{revision / 65536:.3f}".rstrip("0").rstrip(".")
    return ""


def ggml_commit(library: Path) -> str:
    """Of which llama.cpp a library is; empty where it does not tell."""
    with suppress(OSError, AttributeError):
        tell = ctypes.CDLL(str(library)).ggml_commit
        tell.restype = ctypes.c_char_p
        return (tell() or b"").decode("ascii", "replace").removesuffix(_PATCHED)
    return ""


def debian_version(library: Path) -> str:
    """The version of what a Debian package brings, without Debian's own number; empty where
    ``library`` is in none."""
    if not shutil.which("dpkg-query"):
        return ""
    for path in (library, library.resolve()):  # a package names what is below /lib as it likes
        packages = _told("--search", f"*/{path.name}")
        for line in packages.splitlines():
            package, _, place = line.partition(": ")
            if Path(place).resolve() == library.resolve():
                version = _told("--show", "--showformat=${Version}", package.split(",")[0])
                return re.sub(r"^\d+:|-[^-]*$", "", version)
    return ""


def _told(*arguments: str) -> str:
    return subprocess.run(
        ["dpkg-query", *arguments], capture_output=True, text=True, check=False
    ).stdout
