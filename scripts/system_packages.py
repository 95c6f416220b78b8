"""The parts of the operating system that the set-up needs: Qt's libraries, a compiler, Xvfb.

Each part is looked for as the program that needs it would: a library by the dynamic loader, a
program on PATH. As root on Debian and Ubuntu `provide` installs what is missing; elsewhere
`advice` names the command that does. Nothing here is needed on macOS and Windows but a compiler.
"""

import ctypes
import enum
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


class Kind(enum.Enum):
    """How a part is looked for."""

    LIBRARY = "library"
    PROGRAM = "program"
    FONT = "font"


@dataclass(frozen=True)
class Part:
    """One thing that has to be there, and what brings it.

    `name` is a library's soname, a program's name or how a font file's name begins.
    """

    kind: Kind
    name: str
    apt: str
    pacman: str
    rpm: str

    def is_present(self) -> bool:
        """Whether it is there now. A library found this way stays loaded, which is harmless."""
        if self.kind is Kind.PROGRAM:
            return shutil.which(self.name) is not None
        if self.kind is Kind.FONT:
            return any(file.startswith(self.name) for file in _font_files())
        try:
            ctypes.CDLL(self.name)
        except OSError:
            return False
        return True


def _library(soname: str, apt: str, pacman: str) -> Part:
    # RPM's packages say which sonames they bring, and its front ends take that for a name.
    capability = f"'{soname}()(64bit)'" if sys.maxsize > 2**32 else soname
    return Part(Kind.LIBRARY, soname, apt, pacman, capability)


def _program(name: str, apt: str, pacman: str, rpm: str = "") -> Part:
    return Part(Kind.PROGRAM, name, apt, pacman, rpm or f"/usr/bin/{name}")


# What Qt's Core, Gui, Widgets, DBus, Network and Svg libraries are linked to: without these no
# window and no test starts, not even on Qt's offscreen platform.
QT = (
    _library("libEGL.so.1", "libegl1", "libglvnd"),
    _library("libGL.so.1", "libgl1", "libglvnd"),
    _library("libX11.so.6", "libx11-6", "libx11"),
    _library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon"),
    _library("libfontconfig.so.1", "libfontconfig1", "fontconfig"),
    _library("libfreetype.so.6", "libfreetype6", "freetype2"),
    _library("libdbus-1.so.3", "libdbus-1-3", "dbus"),
    _library("libglib-2.0.so.0", "libglib2.0-0", "glib2"),
    _library("libgthread-2.0.so.0", "libglib2.0-0", "glib2"),
    _library("libzstd.so.1", "libzstd1", "zstd"),
    _library("libgssapi_krb5.so.2", "libgssapi-krb5-2", "krb5"),
    _library("libbrotlidec.so.1", "libbrotli1", "brotli"),
)

# What Qt's X11 platform plugin is linked to besides; a Wayland session does without.
QT_X11 = (
    _library("libX11-xcb.so.1", "libx11-xcb1", "libx11"),
    _library("libxcb.so.1", "libxcb1", "libxcb"),
    _library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor"),
    _library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm"),
    _library("libxcb-image.so.0", "libxcb-image0", "xcb-util-image"),
    _library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms"),
    _library("libxcb-randr.so.0", "libxcb-randr0", "libxcb"),
    _library("libxcb-render.so.0", "libxcb-render0", "libxcb"),
    _library("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil"),
    _library("libxcb-shape.so.0", "libxcb-shape0", "libxcb"),
    _library("libxcb-shm.so.0", "libxcb-shm0", "libxcb"),
    _library("libxcb-sync.so.1", "libxcb-sync1", "libxcb"),
    _library("libxcb-util.so.1", "libxcb-util1", "xcb-util"),
    _library("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb"),
    _library("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb"),
    _library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11"),
)

# A display and a message bus for the tests that start the real app, and letters to show on it.
DISPLAY = (
    _program("Xvfb", "xvfb", "xorg-server-xvfb"),
    _program("dbus-daemon", "dbus", "dbus"),
    Part(Kind.FONT, "DejaVuSans", "fonts-dejavu-core", "ttf-dejavu", "dejavu-sans-fonts"),
)

# Fonts with which screenshots look as they do for most people. Never asked for, only installed.
FONTS = (
    Part(Kind.FONT, "Inter", "fonts-inter", "inter-font", "rsms-inter-fonts"),
    Part(Kind.FONT, "NotoColorEmoji", "fonts-noto-color-emoji", "noto-fonts-emoji",
         "google-noto-color-emoji-fonts"),
)  # fmt: skip

# With which a test sees what text makes the window open; without it that test is left out. Never
# asked for, only installed.
TRACER = (_program("strace", "strace", "strace"),)

COMPILERS = (
    _program("cc", "build-essential", "base-devel", "gcc"),
    _program("c++", "build-essential", "base-devel", "gcc-c++"),
)

_OTHER_NAMES = {"cc": ("gcc", "clang"), "c++": ("g++", "clang++")}
_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")

# The program by which each package manager is known, and how it is asked to install something.
_MANAGERS = {
    "apt-get": ("apt", "apt-get install -y"),
    "dnf": ("rpm", "dnf install"),
    "zypper": ("rpm", "zypper install"),
    "pacman": ("pacman", "pacman -S --needed"),
}


def missing(parts: Iterable[Part]) -> list[Part]:
    """Return the parts that this machine lacks."""
    if sys.platform != "linux":
        return _missing_compilers() if set(parts) & set(COMPILERS) else []
    else:  # noqa: RET505 - mypy tells platforms apart by the branch
        return [part for part in parts if not _is_present_under_any_name(part)]


def provide(parts: Sequence[Part], purpose: str) -> list[Part]:
    """Install what is missing where that needs no question; return what is missing after that.

    The package manager's own output is shown. Nothing is raised when it fails.
    """
    lacking = missing(parts)
    if lacking and _may_install():
        packages = _packages(lacking, "apt")
        print(f"Installing system packages for {purpose}: {' '.join(packages)}", file=sys.stderr)
        _apt_install(packages)
        lacking = missing(lacking)
    return lacking


def provide_if_easy(parts: Sequence[Part], purpose: str) -> None:
    """Install those of the missing parts that this system has packages for; else do nothing."""
    lacking = missing(parts)
    if lacking and _may_install():
        known = [part for part in lacking if _apt_knows(part.apt)]
        provide(known, purpose)


def advice(lacking: Sequence[Part], which: Callable[[str], str | None] = shutil.which) -> str:
    """Say with which command a person gets the missing parts; `which` finds programs on PATH."""
    if sys.platform == "darwin":
        return "This installs it: xcode-select --install"
    if sys.platform == "win32":
        return "Install the Build Tools for Visual Studio with 'Desktop development with C++'."
    manager = next((name for name in _MANAGERS if which(name)), None)
    if manager is None:
        return "Install what brings: " + ", ".join(part.name for part in lacking)
    family, command = _MANAGERS[manager]
    sudo = "" if _is_root() else "sudo "
    return f"This installs it: {sudo}{command} {' '.join(_packages(lacking, family))}"


def _packages(parts: Iterable[Part], family: str) -> list[str]:
    return sorted({str(getattr(part, family)) for part in parts})


def _is_present_under_any_name(part: Part) -> bool:
    others = _OTHER_NAMES.get(part.name, ())
    return part.is_present() or any(shutil.which(name) is not None for name in others)


def _missing_compilers() -> list[Part]:
    if sys.platform == "darwin":
        # `cc` is always there, but without the tools it only opens a dialog.
        asked = subprocess.run(["xcode-select", "-p"], capture_output=True, check=False)
        found = asked.returncode == 0
    else:
        # Visual Studio's compiler is not on PATH: its installer's own finder is what CMake asks.
        finder = "Microsoft Visual Studio/Installer/vswhere.exe"
        folder = Path(os.environ.get("PROGRAMFILES(X86)", "C:/Program Files (x86)"))
        found = (folder / finder).exists() or any(map(shutil.which, ("cl", "gcc", "clang")))
    return [] if found else list(COMPILERS)


@functools.cache
def _font_files() -> frozenset[str]:
    folders = (Path(folder).expanduser() for folder in _FONT_FOLDERS)
    return frozenset(
        name for folder in folders for _, _, names in os.walk(folder) for name in names
    )


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _may_install() -> bool:
    return sys.platform == "linux" and _is_root() and shutil.which("apt-get") is not None


def _apt_knows(package: str) -> bool:
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return shown.returncode == 0


def _apt_install(packages: Sequence[str]) -> None:
    options = ["-o", "DPkg::Lock::Timeout=300", "-q", "-y"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # stdout belongs to the app. A failed update matters only if the install fails as well.
    for command in (["update"], ["install", "--no-install-recommends", *packages]):
        subprocess.run(
            ["apt-get", *options, *command],
            env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False,
        )  # fmt: skip
    _font_files.cache_clear()
