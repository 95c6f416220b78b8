"""`python packaging/windows/make_setup.py VERSION`: the installer for Windows, out of the bundle.

Signs the app's own programs, and has Inno Setup pack them and sign the installer and the
uninstaller. Without a certificate all stays unsigned, which is said: Windows then warns of the
installer.

    MINERVA_SIGN_THUMBPRINT   the SHA-1 of the certificate in the person's store
    MINERVA_TIMESTAMP_SERVER  a server of RFC 3161, so that signatures outlive the certificate;
                              needed with the thumbprint
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPT = HERE / "minerva.iss"
BUNDLE = ROOT / "build" / "release" / "frozen" / "minerva-desktop"
THUMBPRINT, TIMESTAMP = "MINERVA_SIGN_THUMBPRINT", "MINERVA_TIMESTAMP_SERVER"
# What this project has built itself; the others' libraries have their makers' signatures, or none.
OWN_CODE = ("*.exe", "_internal/llama_cpp/lib/*.dll")
# Where programs of 32 and of 64 bits are: the variables that name the folders.
PROGRAM_FILES = ("ProgramFiles(x86)", "ProgramFiles")
COMPILERS = "Inno Setup */ISCC.exe"
OLDEST_COMPILER = 6
SIGN_TOOLS = "Windows Kits/10/bin/10.*/x64/signtool.exe"


def main(arguments: Sequence[str]) -> int:
    """Make the installer; the exit code."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    programs = [Path(os.environ[name]) for name in PROGRAM_FILES if name in os.environ]
    if not programs:
        print("Installers for Windows are made on Windows.")
        return 1
    for skipped in skipped_steps(os.environ):
        print(skipped)
    for command in commands(arguments[0], BUNDLE, programs, os.environ):
        print("$", *command, flush=True)
        subprocess.run(command, check=True)
    return 0


def skipped_steps(environment: Mapping[str, str]) -> list[str]:
    """What is left out for want of a certificate, in sentences."""
    return [] if environment.get(THUMBPRINT) else [f"{THUMBPRINT} is not set: nothing is signed."]


def commands(
    version: str, bundle: Path, programs: Sequence[Path], environment: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    """All that is run, in order. ``programs``: the folders of programs. Raises `KeyError` where
    there is a certificate and no server for timestamps, and `FileNotFoundError` without Inno Setup
    or a program that signs."""
    compile_script = [str(compiler(programs)), f"/DVersion={version}", f"/DBundle={bundle}"]
    thumbprint = environment.get(THUMBPRINT)
    if thumbprint:
        tool = str(newest_sign_tool(programs))
        options = (
            "sign", "/fd", "SHA256", "/td", "SHA256", "/tr", environment[TIMESTAMP],
            "/sha1", thumbprint,
        )  # fmt: skip
        code = [str(file) for pattern in OWN_CODE for file in sorted(bundle.glob(pattern))]
        yield (tool, *options, *code)
        yield (tool, "verify", "/pa", *code)
        # Inno Setup's own marks: $q is a quotation mark, $f the file to be signed.
        compile_script += ["/DSign", f"/Sminerva=$q{tool}$q {' '.join(options)} $f"]
    yield (*compile_script, str(SCRIPT))


def compiler(programs: Sequence[Path]) -> Path:
    """Inno Setup's compiler, which is in no PATH: the oldest that will do, as the script was tried
    with one of these. Raises `FileNotFoundError`."""
    found = [
        (int(match[1]), path)
        for path in _in(programs, COMPILERS)
        if (match := re.match(r"Inno Setup (\d+)", path.parent.name))
        and int(match[1]) >= OLDEST_COMPILER
    ]
    if not found:
        raise FileNotFoundError(f"{programs[0] / COMPILERS}: install Inno Setup {OLDEST_COMPILER}")
    return min(found)[1]


def newest_sign_tool(programs: Sequence[Path]) -> Path:
    """Microsoft's program that signs, which is in no PATH. Raises `FileNotFoundError`."""
    found = _in(programs, SIGN_TOOLS)
    if not found:
        raise FileNotFoundError(f"{programs[0] / SIGN_TOOLS}: install the Windows SDK")
    return max(found, key=lambda path: [int(part) for part in path.parts[-3].split(".")])


def _in(folders: Sequence[Path], pattern: str) -> list[Path]:
    return [path for folder in folders for path in folder.glob(pattern)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
