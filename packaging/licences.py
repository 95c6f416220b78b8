"""`python packaging/licences.py FOLDER`: collects the licences of what an installed app carries.

Run with the Python that the build takes its packages from. The build calls `collect` with the
``resources/licences`` of the bundle, whose static texts are copied there as they are; the app's
About dialog reads the one file, and packages put the other where their system wants notices.
"""

from __future__ import annotations

import sys
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


def collect(folder: Path) -> tuple[Path, Path]:
    """Write what the app reads and what people read into ``folder``; both files. Raises
    `StoreError` where a licence has no text, and `OSError`."""
    parts = collect_third_parties(TEXTS)
    folder.mkdir(parents=True, exist_ok=True)
    collected, plain = folder / COLLECTED, folder / PLAIN
    collected.write_bytes(msgspec.json.format(msgspec.json.encode(parts), indent=1) + b"\n")
    plain.write_text(as_plain_text(parts), encoding="utf-8")
    return collected, plain


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__)
        sys.exit(2)
    for path in collect(Path(sys.argv[1])):
        print(path)
