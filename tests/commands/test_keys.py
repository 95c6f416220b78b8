from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.api_keys import KeyFile, matching_name


@pytest.fixture
def file(minerva_home: Path) -> KeyFile:
    return KeyFile(minerva_home / "config" / "api-keys.json")


def test_a_key_is_shown_once_and_alone(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "laptop"]) == 0
    said = capsys.readouterr()
    key = said.out.strip()
    assert matching_name(file.named_keys(), key) == "laptop"
    assert "cannot be shown again" in said.err
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert key not in listed
    assert listed.startswith(f"laptop  …{key[-4:]}  20")


def test_for_scripts(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "list", "--json"]) == 0
    assert main(["keys", "create", "--json", "a b"]) == 0
    assert main(["keys", "list", "--json"]) == 0
    assert main(["keys", "revoke", "--json", "a b"]) == 0
    said = capsys.readouterr()
    before, made, after = (json.loads(line) for line in said.out.splitlines())
    assert before == []
    assert set(made) == {"name", "ends_with", "created", "key"}
    assert made["key"].endswith(made["ends_with"])
    del made["key"]
    assert after == [made]
    assert said.err == ""
    assert file.stored_keys() == ()


def test_revoking(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    file_there_is = main(["keys", "create", "a"])
    assert (file_there_is, main(["keys", "revoke", "a"]), main(["keys", "revoke", "a"])) == (
        0,
        0,
        2,
    )
    assert capsys.readouterr().err.endswith("minerva: There is no API key “a”\n")
    assert main(["keys", "list"]) == 0
    assert "There are no API keys" in capsys.readouterr().err


def test_a_broken_file_is_told_in_one_line(
    file: KeyFile, minerva_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "create", "a"]) == 0
    (minerva_home / "config" / "api-keys.json").write_bytes(b"{")
    capsys.readouterr()
    assert main(["keys", "list"]) == 1
    said = capsys.readouterr().err
    assert said.endswith("api-keys.json cannot be read: the file is damaged\n")
    assert said.count("\n") == 1


def test_a_home_that_is_no_folder_is_told_in_words(
    minerva_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    minerva_home.write_text("a file")
    assert main(["keys", "list"]) == 1
    assert capsys.readouterr().err == (
        f"minerva: The data folder {minerva_home / 'data'} cannot be used:"
        " a part of its path is a file, not a folder. MINERVA_HOME may name another one\n"
    )


@pytest.mark.parametrize("arguments", [[], ["create"], ["burn"], ["list", "x"]])
def test_what_is_no_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["keys", *arguments])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def _minerva(command: str) -> subprocess.CompletedProcess[str]:
    """In a shell, which fills the disk or closes stdout."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m minerva_desktop {command}', sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


@needs_full_device
@pytest.mark.parametrize("as_json", ["", "--json"])
def test_a_key_that_cannot_be_shown_is_not_kept(file: KeyFile, as_json: str) -> None:
    done = _minerva(f"keys create laptop {as_json} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == (
        "minerva: The new API key could not be shown, and so was not kept: the disk is full\n"
    )
    assert file.stored_keys() == ()


@needs_full_device
@pytest.mark.parametrize("command", ["models list", "keys list --json"])
def test_output_that_cannot_be_written_is_told(minerva_home: Path, command: str) -> None:
    done = _minerva(f"{command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "minerva: The output could not be written: the disk is full\n"


def test_an_error_that_is_not_of_the_output_is_not_called_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_arguments: list[str]) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("minerva_desktop.commands.keys.keys", fail)
    with pytest.raises(OSError, match="Too many open files"):
        main(["keys", "list"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_a_closed_output_is_told_before_anything_is_done(file: KeyFile) -> None:
    for command in ("keys list", "keys create laptop", "chat --prompt Hi", "models list"):
        done = _minerva(f"{command} >&-")
        assert done.returncode == 1
        assert done.stderr == (
            "minerva: The standard output is closed: there is nowhere to write to\n"
        )
    assert file.stored_keys() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_other_closed_streams_do_not_matter(file: KeyFile) -> None:
    made = _minerva("keys create laptop <&- 2>&-")
    assert (made.returncode, made.stderr) == (0, "")
    assert matching_name(file.named_keys(), made.stdout.removesuffix("\n")) == "laptop"
    chat = _minerva("chat <&-")
    assert (chat.returncode, chat.stdout, chat.stderr) == (0, "", "")
