"""The time of what is built: of its source, so that a second build has the same. Any Python 3."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def source_date(root: Path) -> int:
    """Seconds since 1970: `SOURCE_DATE_EPOCH` where it is set, else the commit's time, else that
    of the project file in ``root``."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given.isdecimal():
        return int(given)
    # In a container of a CI the checkout is another user's, which git refuses without that word.
    git = ["git", "-c", f"safe.directory={root}", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        told = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        told = ""
    return int(told) if told else int((root / "pyproject.toml").stat().st_mtime)
