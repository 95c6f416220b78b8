"""What a benchmark says: figures with their samples, the machine they were taken on, a table and a
JSON file.

Used by `bench.py` and its parts. Nothing here measures anything.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
BUSY_LOAD = 0.5  # per core, before the start; above, the figures say little
_VERSIONS = ("PySide6-Essentials", "llama-cpp-python", "msgspec", "qasync", "markdown-it-py")


@dataclass(frozen=True)
class Target:
    """What QUALITY.md asks for: a limit for the median, for its ratio to the peer's, or for the
    worst sample."""

    limit: float
    at_least: bool = False
    of_ratio: bool = False
    of_worst: bool = False

    def __str__(self) -> str:
        unit = "×" if self.of_ratio else " max" if self.of_worst else ""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{unit}"

    def is_met_by(self, measured: float) -> bool:
        """Whether ``measured`` is on the right side of the limit."""
        return measured >= self.limit if self.at_least else measured <= self.limit


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``peer`` holds llama.cpp's own samples of the same, taken in
    alternation; empty when there was no peer."""

    name: str
    unit: str
    samples: tuple[float, ...]
    target: Target | None = None
    peer: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """The number that counts."""
        return statistics.median(self.samples)

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's, medians."""
        return self.median / statistics.median(self.peer) if self.peer else None

    @property
    def verdict(self) -> str:
        """``ok``, ``MISSED``, or nothing where it cannot be told."""
        if self.target is None:
            return ""
        measured: float | None = self.median
        if self.target.of_ratio:
            measured = self.ratio
        elif self.target.of_worst:
            measured = min(self.samples) if self.target.at_least else max(self.samples)
        if measured is None:
            return ""
        return "ok" if self.target.is_met_by(measured) else "MISSED"

    def as_json(self) -> dict[str, object]:
        """For the file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "samples": self.samples,
            "target": str(self.target) if self.target else None,
            "verdict": self.verdict or None,
            "peer_median": statistics.median(self.peer) if self.peer else None,
            "peer_samples": self.peer,
            "ratio": self.ratio,
        }


@dataclass(frozen=True)
class Machine:
    """Load averages over one minute, as the benchmark found and as it left them."""

    load_before: float

    @classmethod
    def look(cls) -> Machine:
        """Note the load, and warn when other programs keep this machine busy."""
        machine = cls(_load())
        limit = BUSY_LOAD * (os.cpu_count() or 1)
        if machine.load_before > limit:
            print(
                f"This machine is busy: load {machine.load_before:.2f} before the start, over "
                f"{limit:.2f}. The figures below are worse than the program.",
                file=sys.stderr,
            )
        return machine

    def facts(self) -> dict[str, object]:
        """All that a figure may depend on."""
        return {
            "time": datetime.now().astimezone().isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpu": _cpu_name(),
            "cores": psutil.cpu_count(logical=False),
            "threads": psutil.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "load_before": self.load_before,
            "load_after": _load(),
            "versions": {name: _version(name) for name in _VERSIONS},
            "build_flags": _build_flags(),
        }


def _version(package: str) -> str:
    """A machine that only computes may lack the window's libraries."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def publish(bench: str, figures: Sequence[Figure], facts: dict[str, object], folder: Path) -> Path:
    """Print the table, write the JSON file, and return its path."""
    print(_table(figures))
    print(f"load {facts['load_before']:.2f} before, {facts['load_after']:.2f} after")
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    path = folder / f"{bench}-{stamp}.json"
    content = {"bench": bench, **facts, "figures": [figure.as_json() for figure in figures]}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(path)
    return path


def _table(figures: Sequence[Figure]) -> str:
    head = ("figure", "median", "min … max", "n", "peer", "ratio", "target", "")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        f"{_number(figure.median)} {figure.unit}",
        f"{_number(min(figure.samples))} … {_number(max(figure.samples))}",
        str(len(figure.samples)),
        _number(statistics.median(figure.peer)) if figure.peer else "",
        f"{figure.ratio:.3f}" if figure.ratio is not None else "",
        str(figure.target) if figure.target else "",
        figure.verdict,
    )


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"


def _load() -> float:
    return psutil.getloadavg()[0]


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor()


def _build_flags() -> object:
    """How pyproject.toml has llama.cpp built."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    return project["tool"]["uv"]["config-settings-package"]["llama-cpp-python"]
