"""Versions of what is in a bundle and in no Python package."""

from __future__ import annotations

import re
import shutil
import sysconfig
from pathlib import Path

import pytest

import part_versions
from licences import collect
from minerva_desktop.app.third_parties import third_parties
from minerva_desktop.app.third_party_table import PARTS

SITE = Path(sysconfig.get_paths()["platlib"])
NUMBER = re.compile(r"\d+(\.\d+)+[a-z]?")


def installed(*patterns: str) -> dict[str, Path]:
    """Files of this environment's packages, as a bundle has them."""
    found = [file for pattern in patterns for file in sorted(SITE.glob(pattern))]
    return {file.relative_to(SITE).as_posix(): file for file in found}


def test_the_parts_of_the_wheels_tell_their_versions() -> None:
    files = installed(
        "llama_cpp/lib/*ggml-base*", "ziafont/fonts/*.ttf", "ziamath/fonts/*.ttf",
        "PySide6/**/*Qt6Core*", "PySide6/**/*Qt6Gui*", "PySide6/**/*qjpeg*",
    )  # fmt: skip
    found = part_versions.part_versions(files)
    assert found.keys() <= {part.name for part in PARTS}
    for name in ("PCRE2", "libpng", "libjpeg-turbo", "DejaVu Sans", "STIX Two Math"):
        assert NUMBER.fullmatch(found[name]), (name, found[name])
    assert re.fullmatch("[0-9a-f]{7,40}", found["llama.cpp and ggml"])
    assert found["DejaVu Sans"] == "2.37"


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="is about Debian's libraries")
def test_libraries_of_the_system_have_the_versions_of_its_packages() -> None:
    (library, *_) = Path("/usr/lib").glob("*/libgomp.so.1")
    found = part_versions.part_versions({library.name: library})
    assert NUMBER.fullmatch(found["libgomp"])


def test_what_tells_nothing_is_left_out(tmp_path: Path) -> None:
    names = ("libQt6Core.so.6", "libbz2.so.1.0", "libggml-base.so", "libxcb-cursor.so.0")
    for name in names:
        (tmp_path / name).write_bytes(b"nothing")
    assert part_versions.part_versions({name: tmp_path / name for name in names}) == {}
    told = tmp_path / "libcrypto.so.3"
    told.write_bytes(b"\0OpenSSL 3.0.17 1 Jul 2025\0")
    assert part_versions.part_versions({"libcrypto.so.3": told}) == {"OpenSSL": "3.0.17"}


def test_the_bundle_names_them(tmp_path: Path) -> None:
    collect(tmp_path, {"libgomp"}, {"libpng": "1.6.59", "libgomp": "12.2.0"})
    versions = {part.name: part.version for part in third_parties(tmp_path)}
    assert (versions["libpng"], versions["libgomp"]) == ("1.6.59", "12.2.0")
    assert versions["HarfBuzz"].startswith("in Qt 6.")
