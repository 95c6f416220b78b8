"""Runs a script beside the tests, in a process of its own, where it may load llama.cpp."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

MOST_SECONDS = 120


def said_by(script: str, model: Path) -> Any:
    """What ``script``, which gets the path of ``model`` as an argument, prints last, as JSON."""
    command = [sys.executable, "-c", script, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=MOST_SECONDS)
    return json.loads(done.stdout.splitlines()[-1])
