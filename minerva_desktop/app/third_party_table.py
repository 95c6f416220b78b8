"""What no installed package tells of the parts that others made, as tables. No I/O; any thread."""

from __future__ import annotations

import platform
from types import MappingProxyType

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is no package. Its version is the first ``n_numbers`` (all: None) of that of
    ``package``, or ``version``, with that of the package ``holder`` behind it; ``texts`` are names
    of files beside this app's other licences. One with ``libraries`` is there only where a bundle
    takes one along whose name begins so."""

    name: str
    licence: str
    homepage: str
    texts: tuple[str, ...]
    package: str = ""
    n_numbers: int | None = None
    version: str = ""
    holder: str = ""
    libraries: tuple[str, ...] = ()


LGPL = ("qt.txt", "lgpl-3.0.txt", "gpl-3.0.txt")
QT_PACKAGE, WITHIN_QT = "PySide6_Essentials", "in Qt"
BUNDLED = "as it is in the installed app"
# Each is released by itself.
XCB_UTIL = (
    ("xcb-util", "libxcb-util"),
    ("xcb-util-cursor", "libxcb-cursor"),
    ("xcb-util-image", "libxcb-image"),
    ("xcb-util-keysyms", "libxcb-keysyms"),
    ("xcb-util-renderutil", "libxcb-render-util"),
    ("xcb-util-wm", "libxcb-icccm"),
)
PARTS = (
    Part(
        name="Qt",
        licence="LGPL-3.0-only",
        homepage="https://www.qt.io",
        texts=(*LGPL, "qt-parts.txt", "apache-2.0.txt"),
        package=QT_PACKAGE,
    ),
    Part(
        name="llama.cpp and ggml",
        licence="MIT",
        homepage="https://github.com/ggml-org/llama.cpp",
        texts=("llama.cpp.txt",),
        version="in llama-cpp-python",
        holder="llama-cpp-python",
    ),
    Part(
        name="SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        homepage="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        texts=("smollm2.txt", "apache-2.0.txt"),
        version="Q4_1",
    ),
    Part(
        name="Python",
        licence="PSF-2.0",
        homepage="https://www.python.org",
        texts=("python.txt", "python-parts.txt"),
        version=platform.python_version(),
    ),
    Part(
        name="SQLite",
        licence="public domain",
        homepage="https://www.sqlite.org",
        texts=("sqlite.txt",),
        package="apsw",
        n_numbers=3,  # a fourth one is apsw's own
    ),
    Part(
        name="STIX Two Math",
        licence="OFL-1.1",
        homepage="https://www.stixfonts.org",
        texts=("stix.txt",),
        version="in ziamath",
        holder="ziamath",
    ),
    Part(
        name="DejaVu Sans",
        licence="Bitstream-Vera",
        homepage="https://dejavu-fonts.github.io",
        texts=("dejavu.txt",),
        version="in ziafont",
        holder="ziafont",
    ),
    # Within Qt, see qt.txt.
    Part(
        name="FreeType",
        licence="FTL",
        homepage="https://freetype.org",
        texts=("freetype.txt",),
        version=WITHIN_QT,
        holder=QT_PACKAGE,
    ),
    Part(
        name="HarfBuzz",
        licence="MIT",
        homepage="https://harfbuzz.github.io",
        texts=("harfbuzz.txt",),
        version=WITHIN_QT,
        holder=QT_PACKAGE,
    ),
    Part(
        name="libjpeg-turbo",
        licence="IJG AND BSD-3-Clause AND Zlib",
        homepage="https://libjpeg-turbo.org",
        texts=("libjpeg-turbo.txt",),
        version=WITHIN_QT,
        holder=QT_PACKAGE,
    ),
    Part(
        name="libpng",
        licence="libpng-2.0",
        homepage="http://www.libpng.org/pub/png/libpng.html",
        texts=("libpng.txt",),
        version=WITHIN_QT,
        holder=QT_PACKAGE,
    ),
    Part(
        name="PCRE2",
        licence="BSD-3-Clause",
        homepage="https://www.pcre.org",
        texts=("pcre2.txt",),
        version=WITHIN_QT,
        holder=QT_PACKAGE,
    ),
    Part(
        name="WebP",
        licence="BSD-3-Clause",
        homepage="https://chromium.googlesource.com/webm/libwebp",
        texts=("webp.txt",),
        version=WITHIN_QT,
        holder=QT_PACKAGE,
    ),
    Part(
        name="zlib",
        licence="Zlib",
        homepage="https://zlib.net",
        texts=("zlib.txt",),
        version=WITHIN_QT,
        holder=QT_PACKAGE,
    ),
    # Taken along from the system, or with Python and Qt; see `packaging/bundle_contents.py`.
    Part(
        name="bzip2",
        licence="bzip2-1.0.6",
        homepage="https://sourceware.org/bzip2/",
        texts=("bzip2.txt",),
        version=BUNDLED,
        libraries=("libbz2",),
    ),
    Part(
        name="ICU",
        licence="Unicode-3.0",
        homepage="https://icu.unicode.org",
        texts=("icu.txt",),
        version=BUNDLED,
        libraries=("libicu", "icu"),
    ),
    Part(
        name="libffi",
        licence="MIT",
        homepage="https://sourceware.org/libffi/",
        texts=("libffi.txt",),
        version=BUNDLED,
        libraries=("libffi",),
    ),
    Part(
        name="libgomp",
        licence="GPL-3.0-or-later WITH GCC-exception-3.1",
        homepage="https://gcc.gnu.org",
        texts=("gcc-exception.txt", "gpl-3.0.txt"),
        version=BUNDLED,
        libraries=("libgomp",),
    ),
    Part(
        name="libxcb",
        licence="MIT",
        homepage="https://xcb.freedesktop.org",
        texts=("libxcb.txt",),
        version=BUNDLED,
        libraries=("libxcb-shape", "libxcb-xkb"),
    ),
    Part(
        name="OpenSSL",
        licence="Apache-2.0",
        homepage="https://www.openssl.org",
        texts=("apache-2.0.txt",),
        version=BUNDLED,
        libraries=("libcrypto", "libssl"),
    ),
    Part(
        name="PyInstaller's bootloader",
        licence="GPL-2.0-or-later WITH Bootloader-exception",
        homepage="https://pyinstaller.org",
        texts=("pyinstaller.txt",),
        package="pyinstaller",
        libraries=("pyi_bootloader",),
    ),
    *(
        Part(
            name=name,
            licence="MIT",
            homepage="https://xcb.freedesktop.org",
            texts=("xcb-util.txt",),
            version=BUNDLED,
            libraries=(library,),
        )
        for name, library in XCB_UTIL
    ),
    Part(
        name="xkbcommon",
        licence="MIT",
        homepage="https://xkbcommon.org",
        texts=("xkbcommon.txt",),
        version=BUNDLED,
        libraries=("libxkbcommon",),
    ),
    Part(
        name="XZ Utils (liblzma)",
        licence="0BSD",
        homepage="https://tukaani.org/xz/",
        texts=("xz.txt",),
        version=BUNDLED,
        libraries=("liblzma",),
    ),
)  # fmt: skip
# The texts of packages that bring none, by their normal names.
MISSING_TEXTS = MappingProxyType(
    {
        "latex2mathml": ("latex2mathml.txt",),
        "nvidia-ml-py": ("nvidia-ml-py.txt",),
        "pyside6-essentials": LGPL,
        "shiboken6": LGPL,
    }
)
# The texts for what packages are built of, where that is under others than they are themselves.
TEXTS_WITHIN = MappingProxyType({"pydantic-core": ("apache-2.0.txt", "icu.txt")})
# Licences that packages name in words of their own.
SPDX = MappingProxyType(
    {
        "apache 2.0": "Apache-2.0",
        "bsd": "BSD-3-Clause",
        "any-osi": "any licence that the Open Source Initiative approved",
    }
)
