"""What a checkout's environment is and what state it is in. Nothing here changes it but the stamp.

The stamp is a digest of everything that an environment depends on, kept for each profile that it
was set up for; the marker tells an interrupted set-up from a finished one.
"""

import enum
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ENGINE = "llama-cpp-python"
# What an environment's Python runs once all packages are in.
UNPACKER = Path(__file__).with_name("unpack_shiboken.py")


class Profile(enum.Enum):
    """What an environment is set up for; the value is its lock file's name.

    The test lock holds everything that the run lock holds, at the same versions.
    """

    RUN = "requirements.lock"
    TEST = "requirements-test.lock"


@dataclass(frozen=True)
class Project:
    """The places that belong to one checkout."""

    root: Path

    @property
    def venv(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter, which may not be there yet."""
        return self.program("python")

    @property
    def log(self) -> Path:
        """All that the last set-up printed."""
        return self.venv / "setup.log"

    @property
    def stamp(self) -> Path:
        """Profile names and the digest that each was set up for, as JSON."""
        return self.venv / "setup-stamp.json"

    @property
    def marker(self) -> Path:
        """A file that exists while a set-up is at work, or after it was killed."""
        return self.venv / "setup-unfinished"

    def program(self, name: str) -> Path:
        """The path of a program inside the environment, which may not be there."""
        if sys.platform == "win32":
            return self.venv / "Scripts" / f"{name}.exe"
        return self.venv / "bin" / name

    def lock(self, name: str) -> Path:
        """The path of one of the lock files."""
        return self.root / "packaging" / name


def this_project() -> Project:
    """The checkout that this file belongs to."""
    return Project(Path(__file__).resolve().parent.parent)


def python_tag(project: Project) -> str | None:
    """Name the environment's kind of Python, or None when the environment doesn't work.

    An upgrade of the system's Python leaves an environment whose interpreter runs but finds none
    of its packages: that counts as not working.
    """
    code = (
        "import sys, sysconfig as s;"
        "print(sys.implementation.cache_tag, s.get_platform(), s.get_python_version())"
    )
    try:
        answer = subprocess.run(
            [project.python, "-I", "-S", "-c", code],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        config = (project.venv / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, subprocess.SubprocessError):
        return None
    tag = answer.stdout.strip()
    made_for = re.search(r"^version\s*=\s*(\d+\.\d+)", config, re.MULTILINE)
    if made_for is None or not tag.endswith(f" {made_for[1]}"):
        return None
    return tag


def is_whole(project: Project) -> bool:
    """Whether there is an environment that packages can be installed into."""
    installer = project.program("uv").exists() or project.program("pip").exists()
    return installer and not project.marker.exists() and python_tag(project) is not None


def digest(project: Project, profile: Profile, tag: str) -> str:
    """Sum up all that an environment for `profile` depends on, as a hexadecimal digest.

    The folder counts too: scripts in the environment name it, so a moved checkout needs new ones.
    """
    files = [
        project.root / "pyproject.toml",
        project.root / "minerva_desktop" / "__init__.py",
        project.lock("requirements-uv.lock"),
        project.lock("requirements-build.lock"),
        project.lock(Profile.RUN.value),
        UNPACKER,
    ]
    if profile is Profile.TEST:
        files.append(project.lock(Profile.TEST.value))
    total = hashlib.sha256(f"{tag}\0{project.root}\0".encode())
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def read_stamp(project: Project) -> dict[str, str]:
    """Return what the last set-ups left: profile name to digest. Empty when in doubt."""
    try:
        content = json.loads(project.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or project.marker.exists():
        return {}
    return {str(key): str(value) for key, value in content.items()}


def write_stamp(project: Project, profile: Profile, tag: str) -> None:
    """Note that the environment now serves `profile`, and whatever else it still serves."""
    kept = read_stamp(project)
    stamp = {}
    for each in Profile:
        current = digest(project, each, tag)
        # A test environment runs the app too: its lock file is the larger one.
        made_now = each is profile or profile is Profile.TEST
        if made_now or kept.get(each.name) == current:
            stamp[each.name] = current
    project.stamp.write_text(json.dumps(stamp), encoding="utf-8")


def is_current(project: Project, profile: Profile) -> bool:
    """Whether nothing has to be done for `profile`."""
    stamped = read_stamp(project).get(profile.name)
    if stamped is None:
        return False
    tag = python_tag(project)
    return tag is not None and stamped == digest(project, profile, tag)


def engine_flags(project: Project) -> dict[str, str] | None:
    """Return the build settings of the llama.cpp that is installed, or None when there is none."""
    inside = "Lib" if sys.platform == "win32" else "lib/python*"
    for found in project.venv.glob(f"{inside}/site-packages/llama_cpp_python-*.dist-info"):
        try:
            record = json.loads((found / "uv_build.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return dict(record.get("config_settings", {}))
    return None


def wanted_engine_flags(project: Project) -> dict[str, str]:
    """Return the build settings of llama.cpp that `pyproject.toml` asks for."""
    with (project.root / "pyproject.toml").open("rb") as file:
        tool = tomllib.load(file)["tool"]
    return dict(tool["uv"]["config-settings-package"][ENGINE])


def locked_block(lock: str, package: str) -> str:
    """Cut one package, with its hashes, out of a lock file's text. Empty when it isn't there."""
    block = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    return block[0] if block else ""
