"""`python3 scripts/release.py [--verify] [--clean-root]`: makes what people install.

Builds a llama.cpp for all processors, freezes the app with it, and packs that for this system into
`dist/`. File times, owners and the hash seed are fixed (`SOURCE_DATE_EPOCH` is the commit's time
unless it is set), so that a second build of one commit differs as little as the tools allow.
`--verify` then runs the tests that use the app as a person and a client do on the frozen one;
`--clean-root` runs them on what the packages install into a minimal Debian without Python.
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import environment_state
import release_bundle
import release_check
import release_environment
import release_linux
from source_date import source_date

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the app's package is
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "packaging"))
import bundle_contents
from minerva_desktop import __version__

ROOT = environment_state.this_project().root


def main(arguments: Sequence[str]) -> int:
    """Build, and check what came out; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verify", action="store_true", help="test the frozen app end to end")
    parser.add_argument(
        "--clean-root", action="store_true",
        help="install the packages into a minimal Debian and test them there (as root)",
    )  # fmt: skip
    parser.add_argument("--bundle-only", action="store_true", help="make no packages")
    options = parser.parse_args(arguments)
    if options.bundle_only and options.clean_root:
        parser.error("--clean-root installs the packages, which --bundle-only leaves out")
    project = release_environment.ReleaseProject(ROOT)
    try:
        if options.clean_root:
            release_check.check_tools()  # now, and not after all is built
        bundle, packages = _build(project, source_date(ROOT), bundle_only=options.bundle_only)
        if options.verify:
            release_check.check_app([str(bundle / bundle_contents.EXECUTABLE)])
        if options.clean_root:
            release_check.check_packages(project, packages)
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _build(
    project: release_environment.ReleaseProject, epoch: int, *, bundle_only: bool
) -> tuple[Path, list[Path]]:
    release_environment.ensure(project)
    bundle = release_bundle.freeze(project, epoch)
    release_bundle.check_size(bundle)
    release_bundle.check_start(bundle, __version__)
    if bundle_only or sys.platform != "linux":
        environment.say(f"The app is in {bundle}")
        return bundle, []
    (ROOT / "dist").mkdir(exist_ok=True)
    share = release_linux.desktop_files(project, __version__, epoch)
    packages = [release_linux.user_installer(project, bundle, share, __version__, epoch)]
    if shutil.which("dpkg"):  # not every Linux is a Debian
        packages.append(release_linux.debian_package(project, bundle, share, __version__, epoch))
    for package in packages:
        size = package.stat().st_size / 1000**2
        environment.say(f"{package.relative_to(ROOT)}: {size:.0f} MB")
    return bundle, packages


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
