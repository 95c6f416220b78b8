"""The set-up behind scripts/run.py and scripts/test.py: everything but installing itself."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import venv
from pathlib import Path

import pytest

import environment
import environment_state
import unpack_shiboken
from environment_state import Profile, Project
from minerva_desktop.__main__ import main

ROOT = environment_state.this_project().root


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout with a real, empty environment."""
    (tmp_path / "packaging").mkdir()
    (tmp_path / "minerva_desktop").mkdir()
    (tmp_path / "minerva_desktop" / "__init__.py").write_text('__version__ = "1"\n')
    (tmp_path / "pyproject.toml").write_text(
        '[tool.uv.config-settings-package.llama-cpp-python]\n"cmake.args" = "-DFAST=ON"\n'
    )
    names = ("requirements.lock", "requirements-test.lock")
    for name in (*names, "requirements-uv.lock", "requirements-build.lock"):
        (tmp_path / "packaging" / name).write_text(f"{name}==1\n")
    venv.create(tmp_path / ".venv", with_pip=False, symlinks=sys.platform != "win32")
    return Project(tmp_path)


def tag_of(project: Project) -> str:
    tag = environment_state.python_tag(project)
    assert tag is not None
    return tag


# ---- the stamp -------------------------------------------------------------------------------


def test_an_environment_without_stamp_is_not_current(project: Project) -> None:
    assert not environment_state.is_current(project, Profile.RUN)


def test_a_run_environment_does_not_serve_the_tests(project: Project) -> None:
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    assert environment_state.is_current(project, Profile.RUN)
    assert not environment_state.is_current(project, Profile.TEST)


def test_a_test_environment_serves_the_app_too(project: Project) -> None:
    environment_state.write_stamp(project, Profile.TEST, tag_of(project))
    assert environment_state.is_current(project, Profile.RUN)
    assert environment_state.is_current(project, Profile.TEST)


def test_bringing_the_app_up_to_date_keeps_only_what_still_holds(project: Project) -> None:
    environment_state.write_stamp(project, Profile.TEST, tag_of(project))
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    assert environment_state.is_current(project, Profile.TEST)
    project.lock("requirements.lock").write_text("other==2\n")
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    assert environment_state.is_current(project, Profile.RUN)
    assert not environment_state.is_current(project, Profile.TEST)


@pytest.mark.parametrize(
    "name",
    [
        "pyproject.toml",
        "minerva_desktop/__init__.py",
        "packaging/requirements.lock",
        "packaging/requirements-uv.lock",
        "packaging/requirements-build.lock",
    ],
)
def test_a_change_to_what_it_depends_on_is_seen(project: Project, name: str) -> None:
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    (project.root / name).write_text("# changed\n")
    assert not environment_state.is_current(project, Profile.RUN)


def test_an_unfinished_set_up_is_seen(project: Project) -> None:
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    project.marker.touch()
    assert not environment_state.is_current(project, Profile.RUN)
    assert not environment_state.is_whole(project)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", '{"RUN": 5}'])
def test_a_broken_stamp_counts_as_none(project: Project, content: str) -> None:
    project.stamp.write_text(content)
    assert not environment_state.is_current(project, Profile.RUN)


def test_an_upgraded_python_is_seen(project: Project) -> None:
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    config = project.venv / "pyvenv.cfg"
    old = re.sub(r"version = .*", "version = 3.10.4", config.read_text(encoding="utf-8"))
    config.write_text(old, encoding="utf-8")
    assert environment_state.python_tag(project) is None
    assert not environment_state.is_current(project, Profile.RUN)


def test_a_removed_python_is_seen(project: Project) -> None:
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    project.python.unlink()
    assert not environment_state.is_current(project, Profile.RUN)


def test_an_environment_without_installer_is_not_whole(project: Project) -> None:
    assert not environment_state.is_whole(project)
    project.program("uv").touch()
    assert environment_state.is_whole(project)


def test_knows_the_flags_of_the_installed_engine(project: Project) -> None:
    assert environment_state.engine_flags(project) is None
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    inside = "Lib" if sys.platform == "win32" else f"lib/{version}"
    info = project.venv / inside / "site-packages" / "llama_cpp_python-0.3.36.dist-info"
    info.mkdir(parents=True)
    assert environment_state.engine_flags(project) == {}
    record = {"config_settings": environment_state.wanted_engine_flags(project)}
    (info / "uv_build.json").write_text(json.dumps(record))
    assert environment_state.engine_flags(project) == {"cmake.args": "-DFAST=ON"}


# ---- set-ups beside each other ---------------------------------------------------------------


def test_does_nothing_when_nothing_has_to_be_done(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment_state.write_stamp(project, Profile.RUN, tag_of(project))
    monkeypatch.setattr(environment, "_set_up", lambda *_: pytest.fail("set up again"))
    assert environment.ensure(Profile.RUN, project) is project


def test_of_two_set_ups_the_second_waits_and_finds_all_done(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, second_waits = threading.Event(), threading.Event()
    calls: list[Profile] = []

    def set_up(project: Project, profile: Profile) -> None:
        calls.append(profile)
        begun.set()
        assert second_waits.wait(30)
        environment_state.write_stamp(project, profile, tag_of(project))

    def say(text: str) -> None:
        if "waiting" in text:
            second_waits.set()

    monkeypatch.setattr(environment, "_set_up", set_up)
    monkeypatch.setattr(environment, "say", say)
    threads = [
        threading.Thread(target=environment.ensure, args=(Profile.RUN, project)) for _ in range(2)
    ]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    for thread in threads:
        thread.join(30)
    assert calls == [Profile.RUN]


def test_a_folder_that_cannot_be_written_to_gives_a_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_up(project: Project, profile: Profile) -> None:
        raise PermissionError(13, "Permission denied", str(project.venv))

    monkeypatch.setattr(environment, "_set_up", set_up)
    with pytest.raises(environment.SetupError, match=r"can't be written to"):
        environment.ensure(Profile.RUN, project)


# ---- the lock files --------------------------------------------------------------------------

LOCKS = sorted((ROOT / "packaging").glob("*.lock"))


def pins(lock: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_hold_hashes_and_name_no_place(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    requirements = re.findall(r"^\w.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)*", text, re.MULTILINE)
    assert requirements
    assert all("--hash=" in requirement for requirement in requirements)
    assert not re.search(r"://|--index|/home|/root|/tmp|/work", text)


def test_the_test_lock_holds_the_run_lock() -> None:
    run_pins = pins(ROOT / "packaging" / Profile.RUN.value)
    test_pins = pins(ROOT / "packaging" / Profile.TEST.value)
    assert run_pins.items() <= test_pins.items()


def test_every_dependency_is_locked() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        content = tomllib.load(file)
    groups = content["dependency-groups"]
    wanted = {
        Profile.RUN.value: content["project"]["dependencies"],
        Profile.TEST.value: groups["test"],
        "requirements-build.lock": groups["build"],
        "requirements-release.lock": groups["release"],
        "requirements-uv.lock": groups["installer"],
    }
    for lock, dependencies in wanted.items():
        names = {re.split(r"[<>=\[]", each)[0].lower() for each in dependencies}
        assert names <= pins(ROOT / "packaging" / lock).keys(), f"run scripts/lock.py for {lock}"


def test_what_is_said_about_llama_cpp_is_said_of_the_locked_version() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        (said,) = tomllib.load(file)["tool"]["uv"]["dependency-metadata"]
    assert pins(ROOT / "packaging" / Profile.RUN.value)[said["name"]] == {said["version"]}


def test_cuts_one_package_out_of_a_lock() -> None:
    text = (ROOT / "packaging" / Profile.RUN.value).read_text(encoding="utf-8")
    block = environment_state.locked_block(text, environment_state.ENGINE)
    first, *rest = block.splitlines()
    assert first.startswith("llama-cpp-python==")
    assert rest
    assert all(line.strip().startswith("--hash=") for line in rest)
    assert environment_state.locked_block(text, "no-such-package") == ""


@pytest.mark.parametrize("argument", ["--help", "-h", "--version"])
def test_a_clean_clone_tells_its_help_and_version_without_any_set_up(
    tmp_path: Path, argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "scripts", clone / "scripts", ignore=shutil.ignore_patterns("__*"))
    (clone / "minerva_desktop").mkdir()
    for name in ("__init__.py", "command_line.py"):
        shutil.copy(ROOT / "minerva_desktop" / name, clone / "minerva_desktop")
    bare = [sys.executable, "-I", "-S", "-B"]  # with the standard library alone
    started = "import runpy, sys; sys.path.insert(0, 'scripts'); del sys.argv[0]"
    command = f"{started}; runpy.run_path('scripts/run.py', run_name='__main__')"
    told = subprocess.run(
        [*bare, "-c", command, "scripts/run.py", argument],
        cwd=clone, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")
    assert sorted(each.name for each in clone.iterdir()) == ["minerva_desktop", "scripts"]
    with pytest.raises(SystemExit):
        main([argument])
    assert told.stdout == capsys.readouterr().out


# ---- what Shiboken carries -------------------------------------------------------------------

TELL_WHERE = """
import linecache
from minerva_desktop.ui.import_scan import stop_import_scan
stop_import_scan()
import wave
import shibokensupport.signature.parser as parser
from PySide6.QtCore import QPoint
try:
    QPoint("a")
except TypeError as error:
    print(parser.__file__, parser.__cached__, sep="\\n")
    print("xpos: int" in str(error), any(name.endswith("wave.py") for name in linecache.cache))
"""


def test_the_modules_of_qts_bindings_are_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec("shiboken6")
    assert found is not None
    assert found.origin is not None
    package = tmp_path / "shiboken6"
    shutil.copytree(Path(found.origin).parent, package)
    unpacked = package / unpack_shiboken.FOLDER
    unpacked.mkdir(exist_ok=True)
    (unpacked / "of_another_version.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(ROOT))))
    subprocess.run([sys.executable, environment_state.UNPACKER], check=True)
    assert not (unpacked / "of_another_version.py").exists()
    told = subprocess.run(
        [sys.executable, "-c", TELL_WHERE], capture_output=True, text=True, check=True
    )
    source, bytecode, works = told.stdout.splitlines()
    assert Path(source).is_relative_to(unpacked)
    assert Path(bytecode).read_bytes()[4:8] == b"\x01\0\0\0"  # by hash, which nobody checks
    assert works == "True False"


def test_the_app_runs_from_an_environment_with_them() -> None:
    found = importlib.util.find_spec("shiboken6")
    assert found is not None
    assert found.origin is not None
    assert list((Path(found.origin).parent / unpack_shiboken.FOLDER).rglob("*.pyc"))
