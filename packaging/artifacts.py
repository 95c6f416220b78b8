"""`python packaging/artifacts.py FOLDER`: says what is in a release and which files it has.

Writes a bill of materials (CycloneDX 1.6) of all that the app carries which `scripts/release.py`
built last, and SHA-256 sums of all files in FOLDER. Run with that build's Python.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from minerva_desktop import __version__  # noqa: E402
from minerva_desktop.app.third_parties import (  # noqa: E402
    PartWithin,
    ThirdParty,
    third_parties,
)
from minerva_desktop.app.third_party_table import XCB_UTIL  # noqa: E402
from source_date import source_date  # noqa: E402

# One list for each system, as the files of all three lie in one place later.
SUMS = f"SHA256SUMS-{sys.platform}"
# Where the build has put what it collected.
LICENCES = ROOT / "build" / "release" / "licences"
# An id or an expression of SPDX; what people wrote in other words is a name.
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*(?: (?:AND|OR|WITH) [A-Za-z0-9][A-Za-z0-9.+-]*)*")
# What is no Python package, by its name: its address without a version, see the purl specification.
PURLS = MappingProxyType(
    {
        "bzip2": "pkg:generic/bzip2",
        "DejaVu Sans": "pkg:github/dejavu-fonts/dejavu-fonts",
        "FreeType": "pkg:generic/freetype",
        "HarfBuzz": "pkg:github/harfbuzz/harfbuzz",
        "ICU": "pkg:github/unicode-org/icu",
        "libffi": "pkg:github/libffi/libffi",
        "libgomp": "pkg:generic/gcc",
        "libjpeg-turbo": "pkg:github/libjpeg-turbo/libjpeg-turbo",
        "libpng": "pkg:generic/libpng",
        "libxcb": "pkg:generic/libxcb",
        "llama.cpp and ggml": "pkg:github/ggml-org/llama.cpp",
        "OpenSSL": "pkg:github/openssl/openssl",
        "PCRE2": "pkg:github/pcre2project/pcre2",
        "PyInstaller's bootloader": "pkg:pypi/pyinstaller",
        "Python": "pkg:generic/python",
        "Qt": "pkg:generic/qt",
        "SmolLM2-135M-Instruct": "pkg:huggingface/HuggingFaceTB/SmolLM2-135M-Instruct",
        "STIX Two Math": "pkg:github/stipub/stixfonts",
        "SQLite": "pkg:generic/sqlite",
        "WebP": "pkg:generic/libwebp",
        **{name: f"pkg:generic/{name}" for name, _ in XCB_UTIL},
        "xkbcommon": "pkg:github/xkbcommon/libxkbcommon",
        "XZ Utils (liblzma)": "pkg:generic/xz",
        "zlib": "pkg:generic/zlib",
    }
)
# A number or a commit; of others it is only said where they come from.
_VERSION = re.compile(r"\d+(\.\d+)*\S*|[0-9a-f]{7,40}")
_LOCKED = re.compile(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)")


def bill_of_materials(
    parts: Iterable[ThirdParty], locked: dict[str, set[str]], version: str, made: datetime
) -> dict[str, object]:
    """The document. ``locked``: the versions of the lock file, by package; what is in there is a
    Python package, and its address says so. ``made`` is when; equal documents have one serial
    number, and different ones have not."""
    bill: dict[str, object] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": "minerva-desktop",
                "name": "minerva-desktop",
                "version": version,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": [_component(part, locked) for part in parts],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(bill, sort_keys=True))
    return bill | {"serialNumber": f"urn:uuid:{serial}"}


def locked_versions(lock: Path) -> dict[str, set[str]]:
    """The versions in a lock file, by package; one may have several, for several Pythons."""
    found: dict[str, set[str]] = {}
    for name, version in _LOCKED.findall(lock.read_text(encoding="utf-8")):
        found.setdefault(name.casefold(), set()).add(version)
    return found


def write_sums(folder: Path) -> Path:
    """Write the sums of the files in ``folder``, as `sha256sum --check` reads them; the file."""
    target = folder / SUMS
    files = sorted(path for path in folder.iterdir() if path.is_file() and path != target)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    target.write_text("".join(lines), encoding="utf-8", newline="\n")
    return target


def _component(part: ThirdParty, locked: dict[str, set[str]]) -> dict[str, object]:
    name = part.name.casefold()
    is_package = part.version in locked.get(name, set())
    component: dict[str, object] = {
        "type": "machine-learning-model" if "SmolLM2" in part.name else "library",
        "bom-ref": f"{name} {part.version}",
        "name": part.name,
        "licenses": [_licence(part.licence)],
    }
    known = _VERSION.fullmatch(part.version)
    component |= {"version" if known else "description": part.version}
    if is_package:
        component["purl"] = f"pkg:pypi/{name}@{part.version}"
    elif part.name in PURLS:
        component["purl"] = PURLS[part.name] + (f"@{part.version}" if known else "")
    if part.within:
        component["components"] = [_inner_component(name, each) for each in part.within]
    if part.homepage:
        component["externalReferences"] = [{"type": "website", "url": part.homepage}]
    return component


def _inner_component(outer: str, part: PartWithin) -> dict[str, object]:
    component: dict[str, object] = {
        "type": "library",
        "bom-ref": f"{outer} {part.name} {part.version}",
        "name": part.name,
        "version": part.version,
        "licenses": [_licence(part.licence or "unnamed")],
    }
    return component | ({"purl": part.address} if part.address else {})


def _licence(words: str) -> dict[str, object]:
    if _SPDX.fullmatch(words):
        return {"expression": words}
    return {"license": {"name": words}}


def main(folder: Path) -> int:
    """Write both; the exit code."""
    made = datetime.fromtimestamp(source_date(ROOT), UTC)
    parts = third_parties(LICENCES)
    locked = locked_versions(ROOT / "packaging" / "requirements.lock")
    bill = bill_of_materials(parts, locked, __version__, made)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"minerva-desktop-{__version__}-{sys.platform}.cdx.json"
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8", newline="\n")
    print(target)
    print(write_sums(folder))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
