"""Feeds our GGUF reader headers that atheris (libFuzzer) makes, led by which code they reach.

    pip install atheris==3.0.0
    python scripts/fuzz_gguf.py --guided 600

`fuzz_gguf` starts this for so many seconds, and says what atheris is there for. A case fails on the
same terms as there: it raises anything but a `ModelLoadError`, or takes over a second; libFuzzer
itself watches the memory. What failed lies in the folder, and can be run again by its name.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

# The package lies beside this folder, and a script's own folder is all that Python looks in.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["minerva_desktop.library"]):
    from minerva_desktop.library.gguf import parse_header

from fuzz_gguf import DATA_SIZES, MAX_BYTES, MAX_SECONDS, NAME, whole_headers
from minerva_desktop.errors import ModelLoadError


def one(data: bytes) -> None:
    """Read a header that stands at the begin of a file of some size."""
    for size in {DATA_SIZES[0], DATA_SIZES[-1]}:
        try:
            parse_header(io.BytesIO(data), len(data) + size, NAME)
        except ModelLoadError as error:
            if not error.message.startswith(NAME):
                raise AssertionError(f"a strange sentence: {error.message}") from error


def main() -> None:
    """``SECONDS FOLDER``: the corpus grows in the folder."""
    seconds, folder = sys.argv[1], Path(sys.argv[2])
    for number, header in enumerate(whole_headers()):
        (folder / f"whole-{number}").write_bytes(header)
    options = [
        str(folder),
        f"-max_total_time={seconds}",
        f"-timeout={MAX_SECONDS:.0f}",
        # Python and the reader take 60 MB themselves.
        f"-rss_limit_mb={(MAX_BYTES // 10**6) * 3}",
        f"-artifact_prefix={folder}/failed-",
        "-max_len=4096",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
