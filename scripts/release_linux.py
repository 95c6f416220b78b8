"""Makes Linux packages of the frozen app: a .deb, and an installer for one user on any Linux.

Both hold the same files: the bundle, and what tells a desktop of it (menu entry, icons, the file
type, the entry for software centres).
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import datetime
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime, parseaddr
from pathlib import Path

from release_environment import ReleaseProject
from release_run import run_step

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "packaging"))
import bundle_contents

PACKAGE = "minerva-desktop"
LICENCES = "THIRD-PARTY-LICENCES.txt"  # as `packaging/licences.py` calls it, which needs packages
METAINFO = "desktop.minerva.Minerva.metainfo.xml"
# Used where the desktop has what they need, and not missed elsewhere.
OPTIONAL_PARTS = ("libqgtk3.so",)
# Of these Debian 12's packages name no version for each function, but their own for all. What the
# bundle calls is in all that Ubuntu 22.04 and Debian 12 have.
OLDER_ARE_FINE = ("libx11-xcb1", "libzstd1")
RECOMMENDED = "desktop-file-utils, hicolor-icon-theme, shared-mime-info, xdg-utils"
CONTROL = """\
Package: {package}
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {kilobytes}
Depends: {depends}
Recommends: {recommended}
Section: utils
Priority: optional
Description: chat with language models that run on your own machine
 A native desktop app for language models in GGUF files: drop one on the window
 and talk. A small model comes with it. It also serves the models to OpenAI
 clients, and works in a terminal (minerva chat, serve, models, chats).
"""
# Who publishes a package names themselves as Debian's tools have it; the project has no address.
NAME_VARIABLE, ADDRESS_VARIABLE = "DEBFULLNAME", "DEBEMAIL"
DEVELOPERS, NO_ADDRESS = "Minerva Desktop developers", "minerva-desktop@localhost"
# In Debian's own form, which its tools read; what people read lies beside it.
CHANGELOG = """\
{package} ({version}) unstable; urgency=medium

  * What is new is told in CHANGELOG.md.gz beside this file.

 -- {maintainer}  {date}
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: {year} Minerva Desktop developers
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
Comment: The parts that others made, with their licences, are listed in
 THIRD-PARTY-LICENCES.txt.gz beside this file.
"""
UNRELEASED = "unreleased"
# How a library names the versions of glibc's functions that it calls.
_GLIBC = re.compile(rb"GLIBC_2\.(\d+)\0")
# What a person runs; the archive follows its last line.
_SELF_EXTRACTING = Path(bundle_contents.__file__).parent / "linux" / "self_extracting.sh"
_PLACE = re.compile(r"@([A-Z_\d]+)@")
_BLOCK = 4096  # bytes: files take whole ones


def desktop_files(project: ReleaseProject, version: str, epoch: int) -> Path:
    """Write what goes under a `share` folder; return that folder."""
    share = project.build / "share"
    shutil.rmtree(share, ignore_errors=True)
    sources = project.root / "packaging" / "linux"
    date = datetime.datetime.fromtimestamp(epoch, datetime.UTC).date().isoformat()
    metainfo = (sources / METAINFO).read_text(encoding="utf-8")
    metainfo = metainfo.replace("@VERSION@", version).replace("@DATE@", date)
    _write(share / "metainfo" / METAINFO, metainfo)
    entry = (sources / f"{PACKAGE}.desktop").read_text(encoding="utf-8")
    _write(share / "applications" / f"{PACKAGE}.desktop", entry)
    types = (sources / f"{PACKAGE}.mime.xml").read_text(encoding="utf-8")
    _write(share / "mime" / "packages" / f"{PACKAGE}.xml", types)
    icon = project.root / "resources" / "icons" / "minerva.svg"
    theme = share / "icons" / "hicolor"
    _write(theme / "scalable" / "apps" / f"{PACKAGE}.svg", icon.read_text(encoding="utf-8"))
    script = project.root / "scripts" / "render_icons.py"
    log = project.build / "packages.log"
    run_step("Rendering the icons", [project.python, script, icon, theme], log)
    script = sources / "man_page.py"
    page: list[str | Path] = [project.python, script, share / "man", version, date]
    run_step("Writing the manual page", page, log)
    _check_desktop_files(share, log)
    return share


def _check_desktop_files(share: Path, log: Path) -> None:
    """Have the desktops' own programs look at them, where these are installed."""
    entry = share / "applications" / f"{PACKAGE}.desktop"
    checks: dict[str, list[str | Path]] = {
        "the AppStream entry": [
            "appstreamcli",
            "validate",
            "--no-net",
            share / "metainfo" / METAINFO,
        ],
        "the menu entry": ["desktop-file-validate", entry],
    }
    for what, command in checks.items():
        if shutil.which(str(command[0])):
            run_step(f"Checking {what}", command, log)


def debian_package(
    project: ReleaseProject, bundle: Path, share: Path, version: str, epoch: int
) -> Path:
    """Make the .deb; return it. Raises `SetupError` where Debian's tools are missing."""
    if not (shutil.which("dpkg-deb") and shutil.which("dpkg-shlibdeps")):
        raise environment.SetupError(
            "A .deb needs dpkg-deb and dpkg-shlibdeps. This installs them: apt-get install dpkg-dev"
        )
    root = project.build / "debian" / PACKAGE
    shutil.rmtree(root.parent, ignore_errors=True)
    app = root / "usr" / "lib" / PACKAGE
    shutil.copytree(bundle, app, symlinks=True)
    shutil.copytree(share, root / "usr" / "share")
    commands = root / "usr" / "bin"
    commands.mkdir()
    for name in (bundle_contents.EXECUTABLE, bundle_contents.COMMAND):
        (commands / name).symlink_to(f"../lib/{PACKAGE}/{bundle_contents.EXECUTABLE}")
    _write_documents(root / "usr" / "share" / "doc" / PACKAGE, project, version, epoch)
    kilobytes = sum(file.lstat().st_size for file in root.rglob("*")) // 1024
    architecture = _output(["dpkg", "--print-architecture"], project.build)
    control = CONTROL.format(
        package=PACKAGE, version=version, architecture=architecture, kilobytes=kilobytes,
        depends=_depends(root, app), recommended=RECOMMENDED, maintainer=maintainer(os.environ),
    )  # fmt: skip
    _write(root / "DEBIAN" / "control", control)
    _write(root / "DEBIAN" / "md5sums", md5_sums(root))
    _set_modes_and_times(root, epoch)
    package = project.root / "dist" / f"{PACKAGE}_{version}_{architecture}.deb"
    command: list[str | Path] = [
        "dpkg-deb",
        "--root-owner-group",
        "-Zzstd",
        "-z19",
        "--build",
        root,
        package,
    ]
    variables = {"SOURCE_DATE_EPOCH": str(epoch)}
    run_step(f"Packing {package.name}", command, project.build / "packages.log", variables)
    return package


def _write_documents(folder: Path, project: ReleaseProject, version: str, epoch: int) -> None:
    date = datetime.datetime.fromtimestamp(epoch, datetime.UTC)
    _write(folder / "copyright", COPYRIGHT.format(year=date.year))
    changelog = CHANGELOG.format(
        package=PACKAGE, version=version, maintainer=maintainer(os.environ),
        date=format_datetime(date),
    )  # fmt: skip
    news = (project.root / "CHANGELOG.md").read_text(encoding="utf-8")
    texts = {
        "changelog": changelog.encode(),
        "CHANGELOG.md": released(news, version, date.date().isoformat()).encode(),
        LICENCES: (project.build / "licences" / LICENCES).read_bytes(),
    }
    for name, text in texts.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(text, mtime=0))


def maintainer(variables: Mapping[str, str]) -> str:
    """Whom Debian's tools name as the package's."""
    own_name, address = parseaddr(variables.get(ADDRESS_VARIABLE, ""))
    name = variables.get(NAME_VARIABLE, "").strip() or own_name or DEVELOPERS
    return f"{name} <{address or NO_ADDRESS}>"


def released(news: str, version: str, date: str) -> str:
    """The changelog with the day of the release in the heading of ``version``, which is its first.
    Raises `SetupError` where another version is."""
    heading = re.search(r"(?m)^## (\S+)(?: \((.*)\))?$", news)
    if heading is None or heading[1] != version:
        raise environment.SetupError(
            f"CHANGELOG.md begins with {heading[1] if heading else 'no version'}, and this is "
            f"{version}: write down what is new"
        )
    if heading[2] != UNRELEASED:
        return news
    return f"{news[: heading.start()]}## {version} ({date}){news[heading.end() :]}"


def md5_sums(root: Path) -> str:
    """The sums of a package's files, with which `dpkg --verify` finds those that were changed."""
    files = (file for file in sorted(root.rglob("*")) if file.is_file() and not file.is_symlink())
    return "".join(
        f"{hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()}"
        f"  {file.relative_to(root).as_posix()}\n"
        for file in files
        if file.relative_to(root).parts[0] != "DEBIAN"
    )


def _depends(root: Path, app: Path) -> str:
    """The packages that the bundle's libraries are linked to, with the versions that they need."""
    work = root.parent
    stanzas = f"Source: {PACKAGE}\n\nPackage: {PACKAGE}\nArchitecture: any\n"
    _write(work / "debian" / "control", stanzas)
    (root / "DEBIAN").mkdir()
    parts = sorted(file for file in app.rglob("*") if _is_elf(file))
    folders = sorted({part.parent for part in parts})
    command = ["dpkg-shlibdeps", "-O", "--ignore-missing-info", "--warnings=0", f"-S{root}"]
    command += [f"-l{folder}" for folder in folders]
    command += [f"-e{part}" for part in parts if part.name not in OPTIONAL_PARTS]
    # Of these the bundle has its own.
    command += [f"-x{package}" for package in _owners(part.name for part in parts)]
    return without_versions(_output(command, work).removeprefix("shlibs:Depends="))


def without_versions(depends: str) -> str:
    """The dependencies, those of `OLDER_ARE_FINE` without the version of this machine's package."""
    names = "|".join(map(re.escape, OLDER_ARE_FINE))
    return re.sub(rf"(?<![\w.+-])({names}) \([^)]*\)", r"\1", depends)


def _owners(libraries: Iterable[str]) -> list[str]:
    """The packages that hold the system's libraries of these names."""
    names = {name for name in libraries if name.startswith(bundle_contents.TAKEN_ALONG)}
    told = subprocess.run(
        ["dpkg-query", "--search", *(f"*/{name}" for name in names)],
        capture_output=True, text=True, check=False,  # Python's own is in no package
    ).stdout  # fmt: skip
    return sorted({line.partition(":")[0] for line in told.splitlines()})


def _is_elf(file: Path) -> bool:
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as content:
        return content.read(4) == b"\x7fELF"


def user_installer(
    project: ReleaseProject, bundle: Path, share: Path, version: str, epoch: int
) -> Path:
    """Make the file that installs the app for one user; return it."""
    folder = f"{PACKAGE}-{version}"
    work = project.build / "installer" / folder
    shutil.rmtree(work.parent, ignore_errors=True)
    work.mkdir(parents=True)
    shutil.copy(project.root / "packaging" / "linux" / "install.sh", work)
    shutil.copytree(bundle, work / "app", symlinks=True)
    shutil.copytree(share, work / "share")
    _set_modes_and_times(work, epoch)
    archive = work.parent / "archive.tar.gz"
    environment.say("Packing the installer for one user …")
    _pack(work, archive)
    target = project.root / "dist" / f"{folder}-linux-{os.uname().machine}.run"
    needs = Needs(os.uname().machine, newest_glibc(bundle), _kilobytes(work))
    with target.open("wb") as out, archive.open("rb") as packed:
        out.write(header(target.name, folder, version, needs, archive))
        shutil.copyfileobj(packed, out)
    target.chmod(0o755)
    return target


@dataclass(frozen=True)
class Needs:
    """What a system must have for the bundle: a processor, as `uname -m` names it, a glibc 2, of
    which this is the second number, and room to unpack it."""

    machine: str
    glibc_minor: int
    kilobytes: int


def _kilobytes(folder: Path) -> int:
    """What the files below ``folder`` take on a disk."""
    sizes = (path.lstat().st_size for path in folder.rglob("*"))
    return sum(-(-size // _BLOCK) * _BLOCK for size in sizes) // 1024


def newest_glibc(bundle: Path) -> int:
    """The glibc that the bundle's libraries ask for: the second number of the highest version."""
    found = [
        int(number)
        for file in bundle.rglob("*")
        if _is_elf(file)
        for number in _GLIBC.findall(file.read_bytes())
    ]
    return max(found, default=0)


def header(name: str, folder: str, version: str, needs: Needs, archive: Path) -> bytes:
    """The script that comes before ``archive`` and unpacks it; ``folder`` is the one in that. It
    knows how long it is itself."""
    template = _SELF_EXTRACTING.read_text(encoding="utf-8")
    archive_bytes = archive.stat().st_size
    with archive.open("rb") as packed:
        sha256 = hashlib.file_digest(packed, "sha256").hexdigest()

    def script(length: int) -> bytes:
        values: dict[str, str | int] = {
            "VERSION": version, "NAME": name, "FOLDER": folder, "SHA256": sha256,
            "MACHINE": needs.machine, "GLIBC_MINOR": needs.glibc_minor,
            "KILOBYTES": needs.kilobytes, "OFFSET": length + 1, "BYTES": length + archive_bytes,
        }  # fmt: skip
        return _PLACE.sub(lambda place: str(values[place[1]]), template).encode()

    length = 0
    while (longer := len(script(length))) != length:
        length = longer
    return script(length)


def _pack(folder: Path, archive: Path) -> None:
    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    with (
        archive.open("wb") as out,
        gzip.GzipFile("", "wb", 6, out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in (folder, *sorted(folder.rglob("*"))):
            name = path.relative_to(folder.parent).as_posix()
            tar.add(path, name, recursive=False, filter=anonymous)


def _set_modes_and_times(root: Path, epoch: int) -> None:
    """The same for everyone who builds this, whatever their umask and clock."""
    paths: Iterable[Path] = (root, *root.rglob("*"))
    for path in paths:
        if not path.is_symlink():
            # A library is read, whatever its package thought.
            is_program = path.stat().st_mode & 0o100 and ".so" not in path.suffixes
            is_run = path.is_dir() or is_program
            path.chmod(0o755 if is_run else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _output(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise environment.SetupError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
