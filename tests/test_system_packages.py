"""What the set-up does about system libraries: finding, installing, or naming the command."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import environment
import run
import system_packages
from environment_state import Project

LOST = (
    system_packages.Part(system_packages.Kind.LIBRARY, "liblost.so.9", "liblost9", "lost", "l()"),
    system_packages.Part(system_packages.Kind.PROGRAM, "lost-9", "lost9", "lost", "/usr/bin/l"),
    system_packages.Part(system_packages.Kind.FONT, "LostSans", "fonts-lost", "ttf-lost", "lf"),
)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="about Linux packages")


def only(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in names else None


@linux_only
def test_finds_what_is_missing_and_nothing_else() -> None:
    there = system_packages.Part(system_packages.Kind.LIBRARY, "libc.so.6", "libc6", "glibc", "")
    shell = system_packages.Part(system_packages.Kind.PROGRAM, "sh", "dash", "bash", "bash")
    assert system_packages.missing((there, *LOST, shell)) == list(LOST)


@linux_only
@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "sudo apt-get install -y fonts-lost liblost9 lost9"),
        ("dnf", "sudo dnf install /usr/bin/l l() lf"),
        ("zypper", "sudo zypper install /usr/bin/l l() lf"),
        ("pacman", "sudo pacman -S --needed lost ttf-lost"),
    ],
)
def test_prints_the_one_command(
    manager: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_packages, "_is_root", lambda: False)
    assert system_packages.advice(LOST, only(manager)) == f"This installs it: {command}"


@linux_only
def test_names_the_parts_where_the_package_manager_is_unknown() -> None:
    advice = system_packages.advice(LOST, only())
    assert advice == "Install what brings: liblost.so.9, lost-9, LostSans"


@linux_only
def test_installs_as_root_with_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[Sequence[str]] = []
    monkeypatch.setattr(system_packages, "_may_install", lambda: True)
    monkeypatch.setattr(system_packages, "_apt_install", installed.append)
    assert system_packages.provide(LOST, "a test") == list(LOST)
    assert installed == [["fonts-lost", "liblost9", "lost9"]]


@linux_only
def test_installs_nothing_without_being_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_packages, "_is_root", lambda: False)
    monkeypatch.setattr(system_packages, "_apt_install", lambda _: pytest.fail("installed"))
    assert system_packages.provide(LOST, "a test") == list(LOST)


class Started(Exception):
    """Raised in place of becoming the app."""


@pytest.fixture
def no_window_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start(project: Project, command: Sequence[str]) -> None:
        raise Started(command)

    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr(system_packages, "provide", lambda parts, _: list(parts[:1]))
    monkeypatch.setattr(environment, "ensure", lambda _: Project(tmp_path))
    monkeypatch.setattr(environment, "start", start)


@pytest.mark.usefixtures("no_window_libraries")
def test_the_window_is_not_started_without_its_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.main([]) == 1
    assert run.main(["model.gguf"]) == 1
    said = capsys.readouterr()
    assert "libEGL.so.1" in said.err
    assert said.out == ""


@pytest.mark.usefixtures("no_window_libraries")
@pytest.mark.parametrize("command", ["serve", "chat"])
def test_headless_commands_need_no_window_libraries(command: str) -> None:
    with pytest.raises(Started) as started:
        run.main([command, "--port", "8427"])
    assert started.value.args[0] == ["-P", "-m", "minerva_desktop", command, "--port", "8427"]
