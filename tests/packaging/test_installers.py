"""The files that make the installers, as far as a machine can tell that is neither Windows nor a
Mac: they agree with the app, with each other and with what they are read by."""

from __future__ import annotations

import os
import plistlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import platformdirs
import pytest

import release_environment
from macos import make_dmg
from minerva_desktop import __version__, paths
from minerva_desktop.app.updates import is_newer
from minerva_desktop.running_mark import RUNNING_MARK
from release_bundle import ICONS
from windows import make_setup

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
ISS = (PACKAGING / "windows" / "minerva.iss").read_text(encoding="utf-8")
PLIST: dict[str, Any] = plistlib.loads((PACKAGING / "macos" / "Info.plist").read_bytes())
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS = {*PROJECT["project"]["scripts"], *PROJECT["project"]["gui-scripts"]}
MIME = "application/x-gguf"


def test_the_version_has_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert is_newer("999.0.0", __version__)  # it is one that the update check can compare
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "minerva_desktop/__init__.py"
    heading = re.search(r"(?m)^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert heading is not None
    assert heading[1] == __version__
    for file in (ISS, *(path.read_text() for path in (PACKAGING / "macos").glob("*.plist"))):
        assert f">{__version__}<" not in file
        assert not re.search(rf'"{re.escape(__version__)}"', file)


# -- Windows -----------------------------------------------------------------------------------


def iss_sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in ISS.splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            lines = found.setdefault(match[1], [])
        elif line and not line.startswith((";", "#")):
            lines.append(line)
    return found


def iss_constants() -> dict[str, str]:
    return dict(re.findall(r'(?m)^#define (\w+) "(.*)"$', ISS))


def test_windows_installs_for_one_person() -> None:
    setup = dict(line.split("=", 1) for line in iss_sections()["Setup"])
    assert ISS.isascii()  # older Inno Setups take other files for the system's own encoding
    assert setup["PrivilegesRequired"] == "lowest"
    assert setup["PrivilegesRequiredOverridesAllowed"] == ""
    assert setup["ChangesAssociations"] == "yes"
    assert setup["AppVersion"] == setup["VersionInfoVersion"] == "{#Version}"
    assert (PACKAGING / "windows" / setup["LicenseFile"].replace("\\", "/")).resolve().is_file()
    assert re.fullmatch(r"\{\{[0-9A-F-]{36}\}", setup["AppId"])
    names = iss_constants()
    assert {names["Window"], names["Command"]} == {f"{command}.exe" for command in COMMANDS}
    assert setup["AppMutex"] == "{#RunningMark}"
    assert names["RunningMark"] == RUNNING_MARK
    # Where the build draws it, and the executables get theirs from.
    icon = (PACKAGING / "windows" / names["Icon"].replace("\\", "/")).resolve()
    assert icon == ROOT / "build" / "release" / "icons" / ICONS["win32"]
    # Another name would be another folder for an update to go into.
    assert names["Name"] == paths._APP_NAME == PLIST["CFBundleName"]


def test_windows_knows_gguf() -> None:
    registry = [line for line in iss_sections()["Registry"] if "HKCU" not in line]
    assert all('Root: HKA; Subkey: "Software\\' in line for line in registry)
    (command,) = [line for line in registry if "shell\\open\\command" in line]
    assert '"""{app}\\{#Window}"" ""%1"""' in command
    assert any("OpenWithProgids" in line and "Tasks" not in line for line in registry)
    for line in registry:  # what is written is taken back, alone or with the key above it
        below = any(key in line for key in ("DefaultIcon", "shell\\open", "SupportedTypes"))
        assert below or "uninsdelete" in line or "Tasks: association" in line, line


def test_windows_gives_gguf_back_to_what_opened_it_before() -> None:
    lines = [line for line in iss_sections()["Registry"] if "Tasks: association" in line]
    # Deleted blindly, another program's value would go.
    assert [line for line in lines if "uninsdelete" in line] == []
    (taken,) = [line for line in lines if 'ValueData: "{#TypeId}"' in line]
    assert taken.endswith("BeforeInstall: KeepEarlierType")
    kept, given_back = iss_procedure("KeepEarlierType"), iss_procedure("GiveTypeBack")
    assert "(Earlier <> '{#TypeId}')" in kept
    key = "'Software\\Classes\\{#TypeId}', '{#EarlierType}', Earlier)"
    assert f"RegWriteStringValue(HKA, {key}" in kept
    assert given_back.index("if Current <> '{#TypeId}' then\n    Exit;") < given_back.index(key)
    assert "RegWriteStringValue(HKA, 'Software\\Classes\\.gguf', '', Earlier)" in given_back
    assert "Content Type" not in ISS  # whose it is could not be told later
    steps = iss_procedure("CurUninstallStepChanged")
    assert "GiveTypeBack;" in steps[: steps.index("UninstallSilent")]


def test_a_windows_update_says_what_it_took_that_a_person_had_added() -> None:
    # Before the old version's files go, and after the new one's are there.
    steps = iss_procedure("CurStepChanged")
    assert steps.index("ssInstall then\n    FindBackends") < steps.index(
        "ssPostInstall then\n    Tell"
    )
    (deleted,) = iss_sections()["InstallDelete"]
    assert '"{app}\\_internal"' in deleted
    assert "'{app}\\_internal\\llama_cpp\\lib'" in steps
    told = iss_procedure("TellOfRemovedBackends")
    assert "if not FileExists(" in told
    assert "SuppressibleMsgBox(" in told


def iss_procedure(name: str) -> str:
    match = re.search(rf"(?ms)^(?:procedure|function) {name}\b.*?^end;$", ISS)
    assert match is not None
    return match[0]


def test_windows_puts_the_command_on_the_path_only_where_it_is_wanted() -> None:
    (line,) = [line for line in iss_sections()["Registry"] if "HKCU" in line]
    assert '"{code:PathWithApp}"; Tasks: path; Check: not IsOnPath' in line
    # No semicolon before the first one.
    assert "if (Result <> '') and (Result[Length(Result)] <> ';') then" in ISS
    (task,) = [line for line in iss_sections()["Tasks"] if 'Name: "path"' in line]
    assert task.endswith("Flags: unchecked")
    code = ISS[ISS.index("[Code]") :]
    before, _, rest = code.partition("UninstallSilent")  # what follows is not done silently
    assert "TakeOffPath;" in before[before.index("CurUninstallStepChanged") :]
    assert "TakeOffPath" not in rest
    assert iss_sections()["Setup"].count("ChangesEnvironment=yes") == 1
    # Who had no PATH has none again.
    assert "if Path = '' then\n    RegDeleteValue(" in iss_procedure("TakeOffPath")


def test_a_windows_uninstall_keeps_data_unless_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    code = ISS[ISS.index("[Code]") :]
    assert "MB_DEFBUTTON2" in code
    assert "UninstallSilent" in code
    assert code.count("DelTree(") == 1
    (folder,) = re.findall(r"ExpandConstant\('(\{localappdata\}.*)'\)", code)
    # There is nothing of the person's in it that is not below that folder.
    monkeypatch.setattr(platformdirs, "PlatformDirs", WindowsFolders)
    monkeypatch.delenv(paths.HOME_VARIABLE)
    app_paths = paths.app_paths()
    wanted = folder.replace("{localappdata}", "LOCAL").replace("{#Name}", iss_constants()["Name"])
    for path in (app_paths.data, app_paths.config, app_paths.logs):
        assert str(path).replace("/", "\\").startswith(wanted)
    assert "{app}\\_internal" in "".join(iss_sections()["UninstallDelete"])


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The folder of programs, with Inno Setup and two versions of what signs, and a bundle."""
    compiler = tmp_path / "Inno Setup 6" / "ISCC.exe"
    compiler.parent.mkdir()
    compiler.touch()
    for version in ("10.0.9600.0", "10.0.22621.0"):
        tool = tmp_path / "Windows Kits" / "10" / "bin" / version / "x64" / "signtool.exe"
        tool.parent.mkdir(parents=True)
        tool.touch()
    engine = tmp_path / "bundle" / "_internal" / "llama_cpp" / "lib"
    engine.mkdir(parents=True)
    for file in (engine / "llama.dll", engine.parents[1] / "python311.dll"):
        file.touch()
    for name in ("minerva.exe", "minerva-desktop.exe"):
        (tmp_path / "bundle" / name).touch()
    return tmp_path


def test_a_windows_installer_without_a_certificate(programs: Path) -> None:
    (only,) = make_setup.commands("1.2.3", programs / "bundle", [programs], {})
    assert only == (
        str(programs / "Inno Setup 6" / "ISCC.exe"), "/DVersion=1.2.3",
        f"/DBundle={programs / 'bundle'}", str(make_setup.SCRIPT),
    )  # fmt: skip
    assert make_setup.SCRIPT.is_file()
    assert make_setup.skipped_steps({}) == [
        "MINERVA_SIGN_THUMBPRINT is not set: nothing is signed."
    ]


def test_a_windows_installer_with_a_certificate(programs: Path) -> None:
    bundle = programs / "bundle"
    given = {make_setup.THUMBPRINT: "AB12", make_setup.TIMESTAMP: "http://time.example.org"}
    assert make_setup.skipped_steps(given) == []
    sign, verify, pack = make_setup.commands("1.2.3", bundle, [programs], given)
    tool = programs / "Windows Kits" / "10" / "bin" / "10.0.22621.0" / "x64" / "signtool.exe"
    code = tuple(
        str(bundle / name)
        for name in ("minerva-desktop.exe", "minerva.exe", "_internal/llama_cpp/lib/llama.dll")
    )
    assert sign[:2] == (str(tool), "sign")
    assert sign[-3:] == code
    assert verify == (str(tool), "verify", "/pa", *code)
    options = "sign /fd SHA256 /td SHA256 /tr http://time.example.org /sha1 AB12"
    assert pack[3:5] == ("/DSign", f"/Sminerva=$q{tool}$q {options} $f")
    # The script signs what it makes itself, where there is something to sign with.
    (signing,) = re.findall(r"(?ms)^#ifdef Sign\n(.*?)^#endif", ISS)
    assert "SignTool=minerva\nSignedUninstaller=yes\n" in signing
    with pytest.raises(KeyError, match=make_setup.TIMESTAMP):
        list(make_setup.commands("1.2.3", bundle, [programs], {make_setup.THUMBPRINT: "AB12"}))


def test_the_compiler_for_windows_is_found_where_its_versions_put_themselves(
    tmp_path: Path,
) -> None:
    folders = [tmp_path / "x86", tmp_path / "x64"]
    with pytest.raises(FileNotFoundError, match="install Inno Setup 6"):
        make_setup.compiler(folders)
    for place in ("x86/Inno Setup 5", "x86/Inno Setup 10", "x64/Inno Setup 7", "x64/Inno Setup X"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "ISCC.exe").touch()
    assert make_setup.compiler(folders) == tmp_path / "x64" / "Inno Setup 7" / "ISCC.exe"


class WindowsFolders:
    """What platformdirs says on Windows."""

    def __init__(self, name: str, *, appauthor: bool) -> None:
        assert appauthor is False
        self.user_data_path = self.user_config_path = Path("LOCAL") / name
        self.user_log_path = self.user_data_path / "Logs"


# -- macOS -------------------------------------------------------------------------------------


def test_macos_is_told_what_the_app_opens() -> None:
    assert PLIST["CFBundleExecutable"] == make_dmg.EXECUTABLE
    assert make_dmg.EXECUTABLE in COMMANDS
    assert PLIST["NSHighResolutionCapable"] is True
    (kind,) = PLIST["CFBundleDocumentTypes"]
    (declared,) = PLIST["UTImportedTypeDeclarations"]
    assert kind["LSItemContentTypes"] == [declared["UTTypeIdentifier"]]
    tags = declared["UTTypeTagSpecification"]
    assert tags["public.filename-extension"] == ["gguf"]
    assert tags["public.mime-type"] == [MIME]
    usage = [key for key in PLIST if key.endswith("UsageDescription")]
    assert len(usage) == 6
    assert all(len(PLIST[key]) > 40 for key in usage)


def test_macos_allows_no_more_than_is_needed() -> None:
    file = (PACKAGING / "macos" / "entitlements.plist").read_bytes()
    allowed = {"com.apple.security.cs.allow-unsigned-executable-memory": True}
    assert plistlib.loads(file) == allowed
    assert b"<!--" not in file  # `codesign` stops at what other readers of XML accept there


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A bundle with code in two depths, a framework, links, and a file that is no code."""
    app = tmp_path / "Minerva Desktop.app"
    contents = app / "Contents"
    (contents / "MacOS").mkdir(parents=True)
    (contents / "Frameworks" / "PySide6").mkdir(parents=True)
    (contents / "Info.plist").write_bytes(plistlib.dumps(PLIST))
    code = make_dmg.MACH_O[0] + b"code"
    (contents / "MacOS" / "minerva-desktop").write_bytes(code)
    (contents / "Frameworks" / "Python").write_bytes(code)
    (contents / "Frameworks" / "PySide6" / "QtCore.abi3.so").write_bytes(code)
    (contents / "Frameworks" / "link.dylib").symlink_to("Python")
    framework = contents / "Frameworks" / "PySide6" / "QtCore.framework"
    (framework / "Versions" / "A" / "Helpers").mkdir(parents=True)
    (framework / "Versions" / "A" / "QtCore").write_bytes(code)
    (framework / "Versions" / "A" / "Helpers" / "helper").write_bytes(code)
    (framework / "Versions" / "Current").symlink_to("A")
    (framework / "QtCore").symlink_to("Versions/Current/QtCore")
    (contents / "Frameworks" / "notes.so").write_text("no code")
    return app


def test_a_disk_image_without_credentials(app: Path, tmp_path: Path) -> None:
    make_dmg.set_version(app, "1.2.3")
    told = plistlib.loads((app / "Contents" / "Info.plist").read_bytes())
    assert told == PLIST | {"CFBundleShortVersionString": "1.2.3", "CFBundleVersion": "1.2.3"}
    run = list(make_dmg.commands(app, tmp_path / "x.dmg", tmp_path / "in", {}))
    signed = [command[-1] for command in run if command[:2] == ("codesign", "--force")]
    contents = app / "Contents"
    version = contents / "Frameworks" / "PySide6" / "QtCore.framework" / "Versions" / "A"
    assert signed == [  # from the inside out
        str(version / "Helpers" / "helper"),
        str(version),
        str(contents / "Frameworks" / "PySide6" / "QtCore.abi3.so"),
        str(contents / "Frameworks" / "Python"),
        str(app),
    ]
    assert all(command[3] == "-" for command in run if command[:2] == ("codesign", "--force"))
    assert [command[0] for command in run[-3:]] == ["ditto", "ln", "hdiutil"]
    assert make_dmg.skipped_steps({}) == [
        "MINERVA_SIGN_IDENTITY is not set: the signature is ad hoc, and nothing is notarised."
    ]


def test_a_disk_image_with_credentials(app: Path, tmp_path: Path) -> None:
    given = {make_dmg.IDENTITY: "Developer ID Application: X", make_dmg.PROFILE: "release"}
    run = list(make_dmg.commands(app, tmp_path / "x.dmg", tmp_path / "in", given))
    assert make_dmg.skipped_steps(given) == []
    signing = [command for command in run if command[:2] == ("codesign", "--force")]
    assert all(command[3:7] == (given[make_dmg.IDENTITY], "--timestamp", "--options", "runtime")
               for command in signing)  # fmt: skip
    assert [command for command in signing if "--entitlements" in command] == [signing[-1]]
    assert run[-1] == (
        "codesign", "--sign", given[make_dmg.IDENTITY], "--timestamp", str(tmp_path / "x.dmg")
    )  # fmt: skip
    assert make_dmg.skipped_steps({make_dmg.IDENTITY: "X"}) == [
        "MINERVA_NOTARY_PROFILE is not set: nothing is notarised."
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="it runs a shell script")
@pytest.mark.parametrize("status", ["Accepted", "Invalid"])
def test_what_apple_refuses_is_no_release(
    status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "xcrun"
    program.write_text(
        f'#!/bin/sh\necho "$1 $2" >> {asked}\n'
        f'[ "$2" != submit ] || echo \'{{"id": "1-2", "status": "{status}"}}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    accepted = status == "Accepted"
    assert make_dmg.notarise(tmp_path / "x.dmg", "release") is accepted
    then = "stapler staple" if accepted else "notarytool log"
    assert asked.read_text().splitlines() == ["notarytool submit", then]


@pytest.mark.skipif(sys.platform == "win32", reason="it runs a shell script")
def test_what_is_busy_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_dmg, "PAUSE_SECONDS", 0.0)
    program = tmp_path / "hdiutil"
    tries = tmp_path / "tries"
    program.write_text(f"#!/bin/sh\necho x >> {tries}\n[ $(wc -l < {tries}) = 3 ]\n")
    program.chmod(0o755)
    make_dmg.run([str(program)], make_dmg.TRIES)
    assert tries.read_text() == "x\n" * 3
    with pytest.raises(subprocess.CalledProcessError):
        make_dmg.run([str(program)], 1)


def test_llama_cpp_runs_on_the_oldest_macos_that_the_app_says_it_needs() -> None:
    project = release_environment.ReleaseProject(ROOT)
    assert release_environment.oldest_macos(project) == PLIST["LSMinimumSystemVersion"]
    assert re.fullmatch(r"\d+\.\d+", PLIST["LSMinimumSystemVersion"])


# -- what a release is made of -----------------------------------------------------------------
