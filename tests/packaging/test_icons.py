"""The icons of the installed app, read back by Qt, which knows the two formats."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImageReader

import icon_files

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "render_icons.py"
ICON = ROOT / "resources" / "icons" / "minerva.svg"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both."""
    folder = tmp_path_factory.mktemp("icons")
    for name in ("minerva.ico", "minerva.icns"):
        subprocess.run([sys.executable, SCRIPT, ICON, folder / name], check=True)
    return folder


def sizes(file: Path) -> set[int]:
    reader = QImageReader(str(file))
    found = set()
    for index in range(reader.imageCount()):
        assert reader.jumpToImage(index)
        size = reader.read().size()
        assert size.width() == size.height()
        found.add(size.width())
    return found


def test_windows_gets_all_sizes_upright_and_in_their_colours(rendered: Path) -> None:
    file = rendered / "minerva.ico"
    assert sizes(file) == {*icon_files.ICO_PIXEL_SIZES, *icon_files.ICO_PNG_SIZES}
    reader = QImageReader(str(file))
    for index in range(reader.imageCount()):
        reader.jumpToImage(index)
        image = reader.read()
        size = image.width()
        assert image.pixelColor(0, 0).alpha() == 0  # a corner
        top, bottom = (image.pixelColor(size // 2, y) for y in (size // 8, size - size // 8))
        assert top.lightness() > bottom.lightness()  # it is night below
        assert top.blue() > top.red()


def test_macos_gets_all_sizes_with_a_margin(rendered: Path) -> None:
    file = rendered / "minerva.icns"
    content = file.read_bytes()
    assert content[:4] == b"icns"
    assert struct.unpack(">I", content[4:8])[0] == len(content)
    assert sizes(file) == set(icon_files.ICNS_SIZES.values())
    reader = QImageReader(str(file))
    for index in range(reader.imageCount()):
        reader.jumpToImage(index)
        image = reader.read()
        size = image.width()
        assert image.pixelColor(size // 2, size // 32).alpha() == 0
        assert image.pixelColor(size // 2, size // 4).alpha() == 255


def test_the_small_pictures_for_windows_are_bitmaps(rendered: Path) -> None:
    content = (rendered / "minerva.ico").read_bytes()
    n_images = struct.unpack_from("<H", content, 4)[0]
    kinds = {}
    for index in range(n_images):
        width, _, _, _, _, bits, _, place = struct.unpack_from("<BBBBHHII", content, 6 + 16 * index)
        assert bits == 32
        kinds[width or 256] = content[place : place + 4]
    assert kinds.pop(256) == b"\x89PNG"
    assert set(kinds.values()) == {struct.pack("<I", 40)}  # a bitmap's head


# No picture has 0 pixels, so Qt makes no PNG of it, as where it lacks the plugin.
WITHOUT_PNG = """
import sys
import icon_files, render_icons
render_icons.SIZES = icon_files.ICO_PNG_SIZES = (0,)
icon_files.ICNS_SIZES = {"ic07": 0}
sys.exit(render_icons.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["minerva.ico", "minerva.icns", "theme"])
def test_where_qt_makes_no_png_nothing_is_written_and_it_fails(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    command = (sys.executable, "-c", WITHOUT_PNG, ICON, target)
    done = subprocess.run(command, cwd=SCRIPT.parent, check=False, capture_output=True, text=True)
    assert f"{target} could not be written: Qt makes no PNG" in done.stderr
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "minerva.ico"
    command = (sys.executable, SCRIPT, ICON, target)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stderr.startswith(f"{target} could not be written: ")
    assert done.returncode == 1
