"""`python3 scripts/lock.py [--upgrade]`: makes the lock files in `packaging/` anew.

Run it after a change to a dependency in `pyproject.toml`. Versions that still fit stay as they
are; with --upgrade everything moves to the newest that fits.
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import subprocess
import sys
from collections.abc import Sequence

import environment_state

# The test lock is held to the run lock's versions, so it comes after it.
LOCKS = (
    ("requirements.lock", ("pyproject.toml",)),
    (
        "requirements-test.lock",
        ("pyproject.toml", "--group", "test", "--constraints", "packaging/requirements.lock"),
    ),
    ("requirements-build.lock", ("--group", "build")),
    (
        "requirements-release.lock",
        ("--group", "release", "--constraints", "packaging/requirements.lock"),
    ),
    ("requirements-uv.lock", ("--group", "installer")),
)

# Without the command's own line, the files' first lines would hold paths of this machine.
OPTIONS = (
    "--quiet", "--universal", "--generate-hashes", "--python-version", "3.11",
    "--no-emit-index-url", "--custom-compile-command", "python3 scripts/lock.py",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Make all lock files; return the first failure's exit code."""
    if set(arguments) - {"--upgrade"}:
        print(__doc__)
        return 2
    try:
        project = environment_state.this_project()
        uv = environment.ensure_uv(project)
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    for name, inputs in LOCKS:
        output = f"packaging/{name}"
        command = [uv, "pip", "compile", *OPTIONS, *arguments, *inputs, "--output-file", output]
        done = subprocess.run(command, cwd=project.root, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            environment.say(f"{output} could not be made")
            return done.returncode
        environment.say(f"{output} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
