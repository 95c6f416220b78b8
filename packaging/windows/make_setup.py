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
PROGRAM_FILES = "ProgramFiles(x86)"
INNO_SETUP = "Inno Setup 6/ISCC.exe"
SIGN_TOOLS = "Windows Kits/10/bin/10.*/x64/signtool.exe"


def main(arguments: Sequence[str]) -> int:
    """Make the installer; the exit code."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    if PROGRAM_FILES not in os.environ:
        print("Installers for Windows are made on Windows.")
        return 1
    programs = Path(os.environ[PROGRAM_FILES])
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
    version: str, bundle: Path, programs: Path, environment: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    """All that is run, in order. ``programs``: the folder of 32-bit programs. Raises `KeyError`
    where there is a certificate and no server for timestamps, and `FileNotFoundError` without
    a program that signs."""
    compile_script = [str(programs / INNO_SETUP), f"/DVersion={version}", f"/DBundle={bundle}"]
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


def newest_sign_tool(programs: Path) -> Path:
    """Microsoft's program that signs, which is in no PATH. Raises `FileNotFoundError`."""
    found = list(programs.glob(SIGN_TOOLS))
    if not found:
        raise FileNotFoundError(f"{programs / SIGN_TOOLS}: install the Windows SDK")
    return max(found, key=lambda path: [int(part) for part in path.parts[-3].split(".")])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
