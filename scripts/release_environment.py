"""The environment that a release is frozen from, in `build/release/venv`.

It holds the locked packages, PyInstaller, and a llama.cpp for every processor of its kind: that of
`.venv` is built for the processor of this machine, and ends with SIGILL on an older one.
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import hashlib
import json
import plistlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import build_progress
import system_packages
from environment_state import (
    ENGINE,
    UNPACKER,
    Project,
    locked_block,
    python_tag,
    wanted_engine_flags,
)
from release_run import run_step

LOCKS = ("requirements.lock", "requirements-release.lock")
# ggml's parts become libraries that are chosen when the app runs: one per level of x86-64 (or
# ARM), and any for graphics cards that are put beside them. The bindings' own build file doesn't
# know of these, so it is told where they go, and that they find their neighbours there.
PORTABLE = (
    "-DGGML_NATIVE=OFF",
    "-DGGML_BACKEND_DL=ON",
    "-DGGML_CPU_ALL_VARIANTS=ON",
    "-DCMAKE_INSTALL_BINDIR=llama_cpp/lib",
    f"-DCMAKE_INSTALL_RPATH={'@loader_path' if sys.platform == 'darwin' else '$ORIGIN'}",
    "-DLLAVA_BUILD=OFF",  # images, which the app doesn't use
)


@dataclass(frozen=True)
class ReleaseProject(Project):
    """The same checkout with another environment."""

    @property
    def build(self) -> Path:
        """All that a release is made with; may be deleted at any time."""
        return self.root / "build" / "release"

    @property
    def venv(self) -> Path:
        """The environment's folder."""
        return self.build / "venv"

    @property
    def stamp(self) -> Path:
        """The digest of what the environment was made of."""
        return self.build / "environment.json"


def ensure(project: ReleaseProject) -> None:
    """Make the environment whole; a few milliseconds when it is. Raises `SetupError`."""
    project.build.mkdir(parents=True, exist_ok=True)
    digest = _digest(project)
    if _is_current(project, digest):
        return
    environment.say("Making the environment of the release in build/release")
    if system_packages.provide(system_packages.COMPILERS, "building llama.cpp"):
        raise environment.SetupError(system_packages.advice(system_packages.COMPILERS))
    uv = environment.ensure_uv(project)
    environment.say(
        "llama.cpp is built for all processors, which takes 15 to 40 minutes the first time"
    )
    settings = [
        "--no-config", "--no-deps", "--compile-bytecode", "--require-hashes",
        "--config-settings-package", f"{ENGINE}:cmake.args={engine_flags(project)}",
    ]  # fmt: skip
    _install_engine(project, uv, settings)
    locks = [part for name in LOCKS for part in ("-r", str(project.lock(name)))]
    # As in the set-up: what uv has it takes from its cache, and asks nobody.
    if not _install(project, uv, ["--offline", *settings, *locks], is_last=False):
        _install(project, uv, [*settings, *locks], is_last=True)
    log = project.build / "pyinstaller.log"
    run_step("Unpacking the modules of Qt's bindings", environment.unpack_command(project), log)
    project.stamp.write_text(json.dumps({"digest": digest}), encoding="utf-8")


def _install_engine(project: ReleaseProject, uv: Path, settings: Sequence[str]) -> None:
    """Build llama.cpp, in a cache of its own.

    The bindings' build file writes the libraries into the unpacked sources too, and takes along
    what it finds there: uv would mix this build with that of `.venv`.
    """
    lock = project.lock(LOCKS[0]).read_text(encoding="utf-8")
    engine = project.build / "engine.lock"
    engine.write_text(locked_block(lock, ENGINE), encoding="utf-8")
    what = ["--cache-dir", str(project.build / "uv-cache"), *settings, "-r", str(engine)]
    if not _install(project, uv, ["--offline", *what], is_last=False):
        _install(project, uv, what, is_last=True)


def engine_flags(project: ReleaseProject) -> str:
    """CMake's arguments: those of `pyproject.toml`, and those that make the build portable."""
    flags = [wanted_engine_flags(project)["cmake.args"], *PORTABLE]
    if sys.platform == "darwin":
        # Else it would need the macOS that it is built on.
        flags.append(f"-DCMAKE_OSX_DEPLOYMENT_TARGET={oldest_macos(project)}")
    if sys.platform != "win32":
        # ggml's asserts say in which file they stand: from `llama.cpp` on, wherever this is built.
        forget = f"-ffile-prefix-map={project.build}=llama.cpp"
        flags += [f'-DCMAKE_{language}_FLAGS="{forget}"' for language in ("C", "CXX")]
    return ";".join(flags)


def oldest_macos(project: Project) -> str:
    """The version of macOS that the app says it needs."""
    plist = project.root / "packaging" / "macos" / "Info.plist"
    return str(plistlib.loads(plist.read_bytes())["LSMinimumSystemVersion"])


def _install(project: Project, uv: Path, what: Sequence[str], *, is_last: bool) -> bool:
    command = [
        str(uv), "pip", "install", "--verbose", "--color", "never",
        "--python", str(project.python),
        "--build-constraints", str(project.lock("requirements-build.lock")), *what,
    ]  # fmt: skip
    reporter = build_progress.Reporter(sys.stderr)
    done = build_progress.run_logged(command, project.root, project.log, reporter)
    if done.code != 0 and (is_last or reporter.steps_seen):
        for line in build_progress.relevant_tail(done.lines):
            environment.say(f"  {line}")
        raise environment.SetupError(
            f"The release's environment could not be made (exit code {done.code}). "
            f"{build_progress.diagnose(done.lines)}\nThe whole log: {project.log}"
        )
    return done.code == 0


def _digest(project: ReleaseProject) -> str:
    total = hashlib.sha256(engine_flags(project).encode())
    total.update(UNPACKER.read_bytes())
    for name in (*LOCKS, "requirements-build.lock"):
        total.update(project.lock(name).read_bytes())
    return total.hexdigest()


def _is_current(project: ReleaseProject, digest: str) -> bool:
    try:
        kept = json.loads(project.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return kept == {"digest": digest} and python_tag(project) is not None
