"""Freezes the app into a folder with PyInstaller, and looks at what came out.

build/release/frozen/minerva-desktop/minerva-desktop   the executable
build/release/frozen/minerva-desktop/_internal/        libraries, modules, the model
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import subprocess
import sys
from pathlib import Path

from release_environment import ReleaseProject
from release_run import run_step

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "packaging"))
import bundle_contents

# The bundle without the model that comes with it.
SIZE_LIMIT_MB = 250
# The executable's icon, where executables have one.
ICONS = {"win32": "minerva.ico", "darwin": "minerva.icns"}


def freeze(project: ReleaseProject, epoch: int) -> Path:
    """Build the bundle anew; return its folder. ``epoch`` (seconds) is the time of all that has
    one. Raises `SetupError`."""
    link_copies(site_packages(project.venv) / bundle_contents.ENGINE_LIBRARIES)
    out = project.build / "frozen"
    log = project.build / "pyinstaller.log"
    log.write_text("", encoding="utf-8")
    if sys.platform in ICONS:
        picture = project.root / "resources" / "icons" / "minerva.svg"
        script = project.root / "scripts" / "render_icons.py"
        target = project.build / "icons" / ICONS[sys.platform]
        run_step("Rendering the icon", [project.python, script, picture, target], log)
    command: list[str | Path] = [
        project.python, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "INFO",
        "--distpath", out, "--workpath", project.build / "pyinstaller",
        project.root / "packaging" / "minerva.spec",
    ]  # fmt: skip
    # Python's sets have another order in each run without a seed, and so would the archive.
    variables = {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "1"}
    run_step("Freezing the app", command, log, variables)
    bundle = out / bundle_contents.EXECUTABLE
    _add_command(bundle)
    return bundle


def site_packages(venv: Path) -> Path:
    """Where an environment keeps its packages."""
    if sys.platform == "win32":
        return venv / "Lib" / "site-packages"
    return next((venv / "lib").glob("python3.*")) / "site-packages"


def link_copies(folder: Path) -> None:
    """Put a link in place of each file in ``folder`` that another one can stand for."""
    if sys.platform == "win32":
        return
    for file, first in bundle_contents.copies(folder):
        file.unlink()
        file.symlink_to(first.name)


def _add_command(bundle: Path) -> None:
    """The name of the program for terminals. Windows has another executable for that."""
    if sys.platform != "win32":
        (bundle / bundle_contents.COMMAND).symlink_to(bundle_contents.EXECUTABLE)


def check_size(bundle: Path) -> None:
    """Say how large the bundle is. Raises `SetupError` when it is over the limit."""
    files = [file for file in bundle.rglob("*") if file.is_file() and not file.is_symlink()]
    model = sum(file.stat().st_size for file in files if file.suffix == ".gguf") / 1000**2
    rest = sum(file.stat().st_size for file in files if file.suffix != ".gguf") / 1000**2
    environment.say(f"The bundle: {rest:.0f} MB, and {model:.0f} MB for the model")
    if rest > SIZE_LIMIT_MB:
        raise environment.SetupError(
            f"The bundle is {rest:.0f} MB without its model; {SIZE_LIMIT_MB} MB is the limit. "
            "packaging/bundle_contents.py decides what goes in."
        )


def check_start(bundle: Path, version: str) -> None:
    """See that the executable runs at all. Raises `SetupError`."""
    name = bundle_contents.COMMAND + (".exe" if sys.platform == "win32" else "")
    told = subprocess.run(
        [bundle / name, "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    if told.returncode != 0 or told.stdout.strip() != f"Minerva Desktop {version}":
        raise environment.SetupError(f"The frozen app does not start: {told.stdout}{told.stderr}")
