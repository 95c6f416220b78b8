"""The files of a model that is split into several. Any thread; asks the disk what is there."""

from __future__ import annotations

import re
from pathlib import Path

_FIRST_PART = re.compile(r"(.*)-00001-of-(\d{5})\.gguf", re.DOTALL)


def parts_there(path: Path) -> list[Path]:
    """All parts of the model whose first one is ``path``, as far as something of that name is
    there. A whole model may be named as a part."""
    first = _FIRST_PART.fullmatch(path.name)
    if first is None:
        return [path]
    name, count = first[1], int(first[2])
    parts = (path.with_name(f"{name}-{part:05}-of-{count:05}.gguf") for part in range(1, count + 1))
    return [part for part in parts if part == path or part.exists()]
