"""What Debian's tools ask of a package's documents and files (as `lintian` tells of them)."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest

import release_linux
from release_environment import ReleaseProject

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is made on Linux")
EPOCH = 1795000000  # seconds: 2026-11-18


def test_its_documents_are_in_the_forms_that_debian_reads(tmp_path: Path) -> None:
    project = ReleaseProject(tmp_path)
    (project.build / "licences").mkdir(parents=True)
    (project.build / "licences" / release_linux.LICENCES).write_text("of others")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n")
    folder = tmp_path / "doc"
    release_linux._write_documents(folder, project, "1.2.3", EPOCH)
    packed = {file.name: gzip.decompress(file.read_bytes()) for file in folder.glob("*.gz")}
    assert packed["CHANGELOG.md.gz"] == b"# Changelog\n"
    assert packed[f"{release_linux.LICENCES}.gz"] == b"of others"
    first, *_, last = packed["changelog.gz"].decode().splitlines()
    assert first == "minerva-desktop (1.2.3) unstable; urgency=medium"
    assert last == f" -- {release_linux.MAINTAINER}  Wed, 18 Nov 2026 11:06:40 +0000"
    assert "Copyright: 2026 Minerva Desktop developers\n" in (folder / "copyright").read_text()


def test_a_library_is_no_program_to_start(tmp_path: Path) -> None:
    modes = {"minerva-desktop": 0o700, "lib/libx.so.1.2": 0o700, "lib/a.so": 0o755, "text": 0o600}
    for name, mode in modes.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch(mode=mode)
    release_linux._set_modes_and_times(tmp_path, EPOCH)
    found = {name: (tmp_path / name).stat().st_mode & 0o777 for name in (*modes, "lib")}
    assert found == {
        "minerva-desktop": 0o755, "lib/libx.so.1.2": 0o644, "lib/a.so": 0o644, "text": 0o644,
        "lib": 0o755,
    }  # fmt: skip
    assert (tmp_path / "text").stat().st_mtime == EPOCH
