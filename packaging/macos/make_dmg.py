"""`python3 packaging/macos/make_dmg.py APP VERSION DMG`: a disk image with the app, for macOS.

Writes the version into the app, signs it, packs it with a link to the folder of applications, and
has Apple notarise it. What needs credentials is skipped where there are none, and it is said:

    MINERVA_SIGN_IDENTITY   the certificate's name in the keychain; without it the signature is
                            ad hoc, and macOS asks before the app's first start
    MINERVA_NOTARY_PROFILE  the profile that `xcrun notarytool store-credentials` keeps; only with
                            an identity
"""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
IDENTITY, PROFILE = "MINERVA_SIGN_IDENTITY", "MINERVA_NOTARY_PROFILE"
AD_HOC = "-"
VOLUME = "Minerva Desktop"
EXECUTABLE = "minerva-desktop"
# Right after files were written, `hdiutil` may find its image busy: with macOS's look for viruses.
TRIES, PAUSE_SECONDS = 5, 5.0
# How files with code begin: for one processor, in either order of bytes, and for several.
MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")


def main(arguments: Sequence[str]) -> int:
    """Make the image; the exit code."""
    if len(arguments) != 3:
        print(__doc__)
        return 2
    if shutil.which("hdiutil") is None:
        print("Disk images are made on macOS.")
        return 1
    app, version, image = Path(arguments[0]), arguments[1], Path(arguments[2])
    set_version(app, version)
    image.parent.mkdir(parents=True, exist_ok=True)
    for skipped in skipped_steps(os.environ):
        print(skipped)
    with tempfile.TemporaryDirectory() as folder:
        for command in commands(app, image, Path(folder), os.environ):
            run(command, TRIES if command[0] == "hdiutil" else 1)
    if skipped_steps(os.environ) or notarise(image, os.environ[PROFILE]):
        return 0
    return 1


def run(command: Sequence[str], tries: int) -> None:
    """Run a program, up to ``tries`` times. Raises `CalledProcessError` when the last one fails."""
    for left in range(tries - 1, -1, -1):
        print("$", *command, flush=True)
        if subprocess.run(command, check=not left).returncode == 0:
            return
        time.sleep(PAUSE_SECONDS)


def notarise(image: Path, profile: str) -> bool:
    """Have Apple look at ``image`` and attach its word; whether it was accepted. Else what is wrong
    with it was printed. Raises `CalledProcessError` where Apple could not be asked."""
    asked = ("xcrun", "notarytool", "submit", str(image), "--keychain-profile", profile)
    command = (*asked, "--wait", "--output-format", "json")
    print("$", *command, flush=True)
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(told, flush=True)
    answer = json.loads(told)
    # It ends with 0 for what Apple refuses, too, and the reasons are in a file at Apple's.
    if answer["status"] != "Accepted":
        run(("xcrun", "notarytool", "log", answer["id"], "--keychain-profile", profile), 1)
        return False
    run(("xcrun", "stapler", "staple", str(image)), TRIES)  # the word gets about in its own time
    return True


def set_version(app: Path, version: str) -> None:
    """Say in the app's Info.plist which version it is."""
    path = app / "Contents" / "Info.plist"
    told = plistlib.loads(path.read_bytes())
    told["CFBundleShortVersionString"] = told["CFBundleVersion"] = version
    path.write_bytes(plistlib.dumps(told))


def skipped_steps(environment: Mapping[str, str]) -> list[str]:
    """What is left out for want of credentials, in sentences."""
    if not environment.get(IDENTITY):
        return [f"{IDENTITY} is not set: the signature is ad hoc, and nothing is notarised."]
    return [] if environment.get(PROFILE) else [f"{PROFILE} is not set: nothing is notarised."]


def commands(
    app: Path, image: Path, folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    """All that is run before Apple is asked, in order. ``folder`` is empty, and becomes the
    image's content."""
    identity = environment.get(IDENTITY) or AD_HOC
    signing: tuple[str, ...] = ("codesign", "--force", "--sign", identity)
    if identity != AD_HOC:
        signing += ("--timestamp", "--options", "runtime")
    # What the hardened runtime has to allow, and no more: llama.cpp reports progress and its log
    # into Python through functions that ctypes makes at run time, on Intel in memory that is
    # written and then executed. All libraries have the app's own signature, and so pass its check.
    # The file itself says nothing of that: `codesign` stops at some comments.
    entitlements = ("--entitlements", str(HERE / "entitlements.plist"))
    # From the inside out: the signature of what is around covers that of what is in it.
    yield from ((*signing, str(file)) for file in libraries(app))
    yield (*signing, *entitlements, str(app))
    yield ("codesign", "--verify", "--deep", "--strict", str(app))
    inside = folder / VOLUME
    yield ("ditto", str(app), str(inside / app.name))
    yield ("ln", "-s", "/Applications", str(inside / "Applications"))
    yield (
        "hdiutil", "create", "-volname", VOLUME, "-srcfolder", str(inside), "-fs", "HFS+",
        "-format", "UDZO", "-ov", str(image),
    )  # fmt: skip
    if identity == AD_HOC:
        return
    yield ("codesign", "--sign", identity, "--timestamp", str(image))


def libraries(app: Path) -> list[Path]:
    """What is signed inside the app but its main executable, the deepest first: files with code,
    and for the one of a framework the framework's version, with all that is in it. Links are
    covered by what they point to."""
    contents = app / "Contents"
    main_program = contents / "MacOS" / EXECUTABLE
    found = [path for path in contents.rglob("*") if _is_code(path) and path != main_program]
    deepest_first = sorted(found, key=lambda path: (-len(path.parts), str(path)))
    return [path.parent if _is_of_framework(path) else path for path in deepest_first]


def _is_of_framework(path: Path) -> bool:
    versions = path.parent.parent
    return versions.name == "Versions" and versions.parent.name == f"{path.name}.framework"


def _is_code(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in MACH_O


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
