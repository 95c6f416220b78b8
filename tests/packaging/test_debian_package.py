"""What Debian's tools ask of a package's documents and files (as `lintian` tells of them)."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import release_linux
from environment import SetupError
from minerva_desktop import __version__
from release_environment import ReleaseProject

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is made on Linux")
EPOCH = 1795000000  # seconds: 2026-11-18


def test_its_documents_are_in_the_forms_that_debian_reads(tmp_path: Path) -> None:
    project = ReleaseProject(tmp_path)
    (project.build / "licences").mkdir(parents=True)
    (project.build / "licences" / release_linux.LICENCES).write_text("of others")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (unreleased)\n\n- x\n")
    folder = tmp_path / "doc"
    release_linux._write_documents(folder, project, "1.2.3", EPOCH)
    packed = {file.name: gzip.decompress(file.read_bytes()) for file in folder.glob("*.gz")}
    assert packed["CHANGELOG.md.gz"] == b"# Changelog\n\n## 1.2.3 (2026-11-18)\n\n- x\n"
    assert packed[f"{release_linux.LICENCES}.gz"] == b"of others"
    first, *_, last = packed["changelog.gz"].decode().splitlines()
    assert first == "minerva-desktop (1.2.3) unstable; urgency=medium"
    assert last == f" -- {release_linux.maintainer({})}  Wed, 18 Nov 2026 11:06:40 +0000"
    assert "Copyright: 2026 Minerva Desktop developers\n" in (folder / "copyright").read_text()


def test_the_changelog_is_of_the_version_that_is_made() -> None:
    of_its_day = "## 1.2.3 (2026-11-01)\n"
    assert release_linux.released(of_its_day, "1.2.3", "2026-11-18") == of_its_day
    for news, first in (("## 1.2.2 (2026-10-01)\n\n## 1.2.3\n", "1.2.2"), ("", "no version")):
        with pytest.raises(SetupError, match=rf"begins with {first}, and this is 1\.2\.3"):
            release_linux.released(news, "1.2.3", "2026-11-18")
    news = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {__version__} (2026-11-18)\n" in release_linux.released(
        news, __version__, "2026-11-18"
    )


def test_who_publishes_it_is_named_as_with_debians_tools() -> None:
    given = {"DEBFULLNAME": "Ada Lovelace", "DEBEMAIL": "ada@example.org"}
    assert release_linux.maintainer(given) == "Ada Lovelace <ada@example.org>"
    both_in_one = {"DEBEMAIL": "Ada Lovelace <ada@example.org>"}
    assert release_linux.maintainer(both_in_one) == "Ada Lovelace <ada@example.org>"
    assert release_linux.maintainer({}) == "Minerva Desktop developers <minerva-desktop@localhost>"


@pytest.mark.skipif(shutil.which("md5sum") is None, reason="it reads them")
def test_a_changed_file_is_found_by_its_sum(tmp_path: Path) -> None:
    for name in ("usr/lib/a", "usr/bin/b c", "DEBIAN/control"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "usr/bin/link").symlink_to("b c")
    sums = release_linux.md5_sums(tmp_path)
    assert [line.partition("  ")[2] for line in sums.splitlines()] == ["usr/bin/b c", "usr/lib/a"]
    check = ["md5sum", "--check", "--status"]
    assert subprocess.run(check, cwd=tmp_path, input=sums, text=True, check=False).returncode == 0
    (tmp_path / "usr/lib/a").write_text("changed")
    assert subprocess.run(check, cwd=tmp_path, input=sums, text=True, check=False).returncode == 1


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
