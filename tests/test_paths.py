"""A user whom the system does not know, as in a container: no name, and no home folder."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

import pytest

from minerva_desktop import failed_start
from minerva_desktop.__main__ import main
from minerva_desktop.app.self_checks import check_folders
from minerva_desktop.app.self_test import private_words
from minerva_desktop.errors import StoreError
from minerva_desktop.paths import HOME_VARIABLE, app_paths, expanded, resources_dir, user_name
from minerva_desktop.ui.call_words import socket_name

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="about users of Unix")

WORDS = (
    "This user has no home folder to keep settings and chats in."
    " Set HOME, or MINERVA_HOME to a folder for all of it"
)


@pytest.fixture
def unknown_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(user_id: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user_id}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("unknown_user")
def test_a_user_without_a_home_folder_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(HOME_VARIABLE)
    assert main(["keys", "list"]) == 1
    assert capsys.readouterr().err == f"minerva: {WORDS}\n"
    # And where the window cannot be opened for it.
    assert failed_start.log_failure(StoreError(WORDS)) == f"{failed_start.TITLE}: {WORDS}"


@pytest.mark.usefixtures("unknown_user")
def test_a_user_without_a_home_folder_has_all_else_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(HOME_VARIABLE)
    # One check, and seconds, less.
    monkeypatch.setattr("minerva_desktop.commands.selftest.find_embedded_model", lambda: None)
    assert main(["selftest", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    checks = {check["name"]: (check["state"], check["words"]) for check in report["checks"]}
    assert list(checks) == ["resources", "folders", "engine", "model", "window"]
    assert checks["folders"] == ("failed", WORDS)
    assert [checks[name][0] for name in ("resources", "engine", "window")] == ["ok"] * 3
    assert "Folders" not in report["facts"]


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EACCES, "it is not there, and this user may not make it"),
        (errno.EROFS, "the disk is read-only"),
    ],
)
def test_a_folder_that_cannot_be_made_is_named(
    minerva_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    why: str,
) -> None:
    (minerva_home / "data").mkdir(parents=True)

    def refuse(folder: Path, **_: object) -> None:
        if folder.name == "config":
            raise OSError(number, "no")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main(["keys", "list"]) == 1
    assert capsys.readouterr().err == (
        f"minerva: The settings folder {minerva_home / 'config'} cannot be used: {why}."
        " MINERVA_HOME may name another one\n"
    )
    assert check_folders(app_paths()).words == f"the settings folder cannot be written: {why}"


@pytest.mark.usefixtures("unknown_user")
def test_a_user_without_a_name_has_folders_a_socket_and_a_report(minerva_home: Path) -> None:
    assert user_name() == ""
    assert app_paths().data == minerva_home / "data"
    assert socket_name(minerva_home).startswith("minerva-")
    assert private_words(app_paths(), resources_dir()).hide("/media/ada/x") == "/media/ada/x"


def test_a_tilde_of_somebody_who_is_not_there_stays(
    minerva_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expanded("~") == Path.home()
    assert expanded("~not-there/m.gguf") == Path("~not-there/m.gguf")
    minerva_home.mkdir()
    assert main(["chat", "~not-there/m.gguf", "--prompt", "hello"]) == 2
    assert "m.gguf" in capsys.readouterr().err


TOO_LONG = "x" * 300  # nobody can tell whether such a file is there, as in a closed folder


@pytest.mark.parametrize("arguments", [("models", "show"), ("chat", "--prompt", "hi", "--model")])
def test_a_model_at_which_nobody_may_look_is_told_in_a_sentence(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, TOO_LONG]) == 1
    assert "” cannot be read: its name is too long." in capsys.readouterr().err


def test_folders_at_which_nobody_may_look_are_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / TOO_LONG))
    assert main(["keys", "list"]) == 1
    assert "cannot be used: its name is too long. MINERVA_HOME" in capsys.readouterr().err
