"""Collects the licences of what an installed app carries.

The build calls `collect`, in the Python that it takes the packages from: the app's About dialog
reads the one file, and the .deb puts the other where Debian wants notices.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from minerva_desktop.app.third_parties import (  # noqa: E402
    COLLECTED,
    as_plain_text,
    collect_third_parties,
)

PLAIN = "THIRD-PARTY-LICENCES.txt"
TEXTS = ROOT / "resources" / "licences"


def collect(
    folder: Path, carried: Collection[str], versions: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Write what the app reads and what people read into ``folder``; both files. ``carried``: what
    is at the top of the bundle, and ``versions``, as for `collect_third_parties`. Raises
    `StoreError` where a licence has no text, and `OSError`."""
    parts = collect_third_parties(TEXTS, carried, versions)
    folder.mkdir(parents=True, exist_ok=True)
    collected, plain = folder / COLLECTED, folder / PLAIN
    collected.write_bytes(msgspec.json.format(msgspec.json.encode(parts), indent=1) + b"\n")
    plain.write_text(as_plain_text(parts), encoding="utf-8")
    return collected, plain
