"""The parts of Minerva that others made: their versions, licences and the texts of these.

A checkout reads them from what is installed for its ``pyproject.toml``. An installed app has no
such records: its build writes them into one file beside the licence texts
(`packaging/licences.py`). Reads files; takes 0.3 s in a checkout, so call it off the window's
thread.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import msgspec

from minerva_desktop.app.third_party_table import (
    MISSING_TEXTS,
    PARTS,
    SPDX,
    TEXTS_WITHIN,
    Part,
)
from minerva_desktop.errors import StoreError, os_reason

COLLECTED = "third-parties.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TEXT_FILE = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)")
_HOMEPAGES = ("homepage", "home-page", "home", "repository", "source", "source code")


class PartWithin(msgspec.Struct, frozen=True, kw_only=True):
    """What a part is built of, as its own bill of materials tells: ``licence`` is an expression of
    SPDX, ``address`` a package URL; either may be empty."""

    name: str
    version: str
    licence: str
    author: str
    address: str


class ThirdParty(msgspec.Struct, frozen=True, kw_only=True):
    """One part. ``licence`` is an SPDX expression where there is one for it; ``text`` has all
    notices and licences, ``homepage`` an address of the web or nothing."""

    name: str
    version: str
    licence: str
    homepage: str
    text: str
    within: tuple[PartWithin, ...] = ()


def third_parties(licences: Path) -> tuple[ThirdParty, ...]:
    """All of them, by name; ``licences`` is the folder of the licence texts. Raises `StoreError`
    where a text is missing or what the build collected cannot be read."""
    try:
        collected = (licences / COLLECTED).read_bytes()
    except FileNotFoundError:
        return collect_third_parties(licences)
    except OSError as error:
        raise _unreadable(licences / COLLECTED, os_reason(error)) from error
    try:
        return msgspec.json.decode(collected, type=tuple[ThirdParty, ...])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(licences / COLLECTED, str(error)) from error


def collect_third_parties(
    licences: Path,
    carried: Collection[str] | None = None,
    versions: Mapping[str, str] | None = None,
) -> tuple[ThirdParty, ...]:
    """The same from what is installed for the checkout that ``licences`` is in. Raises `StoreError`
    where a text is missing.

    ``carried``: the modules, folders and libraries at the top of a bundle, without what is behind
    a dot: only what has one of these is there, and libraries that a bundle takes along from
    the system are. None is a checkout, which has all of its packages and no such libraries.
    ``versions``: of parts that are no package, where more is known than the table has.
    """
    packages = _needed_packages(licences.parent.parent / "pyproject.toml")
    told = versions or {}
    parts = [
        _of_part(part, told.get(part.name) or _version(part, packages), licences)
        for part in PARTS
        if _has_part(part, carried)
    ]
    parts += [
        _of_package(name, package, licences)
        for name, package in packages.items()
        if carried is None or not _top_names(package).isdisjoint(carried)
    ]
    return tuple(sorted(parts, key=lambda part: part.name.casefold()))


def version_of(parts: Iterable[ThirdParty], name: str) -> str:
    """The version of the part of that name; empty where there is none."""
    wanted = _normal(name)
    return next((part.version for part in parts if _normal(part.name) == wanted), "")


def as_plain_text(parts: Sequence[ThirdParty]) -> str:
    """All notices, one behind the other."""
    return "\n".join(_section(part) for part in parts)


def _section(part: ThirdParty) -> str:
    rule = "=" * 78
    head = f"{part.name} {part.version}: {part.licence}\n{part.homepage}".rstrip()
    return f"{rule}\n{head}\n{rule}\n\n{part.text}\n"


def _needed_packages(project: Path) -> dict[str, Distribution]:
    """The installed packages that ``project`` needs, and those that these need, by normal name.
    What is only needed elsewhere (another system, another Python) is not installed."""
    try:
        needs = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(project, str(error)) from error
    found: dict[str, Distribution] = {}
    waiting = [_required(need) for need in needs]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = package
        waiting += [_required(each) for each in package.requires or () if "extra ==" not in each]
    return found


def _has_part(part: Part, carried: Collection[str] | None) -> bool:
    if not part.libraries:
        return True
    return any(name.startswith(part.libraries) for name in carried or ())


def _top_names(package: Distribution) -> set[str]:
    """The modules and folders that a package brings, without what is behind a dot."""
    return {file.parts[0].partition(".")[0] for file in package.files or ()} - {""}


def _required(requirement: str) -> str:
    match = _NAME.match(requirement)
    return _normal(match[0] if match else requirement)


def _of_part(part: Part, version: str, licences: Path) -> ThirdParty:
    return ThirdParty(
        name=part.name,
        version=version,
        licence=part.licence,
        homepage=part.homepage,
        text=_read_texts(licences, part.texts),
    )


def _version(part: Part, packages: dict[str, Distribution]) -> str:
    holder = packages.get(_normal(part.holder))
    if not part.package:
        return part.version if holder is None else f"{part.version} {holder.version}"
    package = packages.get(_normal(part.package))
    try:  # what freezes the app is needed by the build alone
        found = (package or distribution(part.package)).version
    except PackageNotFoundError:
        return part.version
    return ".".join(found.split(".")[: part.n_numbers])


class _Terms(msgspec.Struct, frozen=True):
    expression: str = ""


class _Component(msgspec.Struct, frozen=True):
    name: str
    version: str = ""
    author: str = "unnamed"
    purl: str = ""
    licenses: tuple[_Terms, ...] = ()
    scope: str = ""  # "excluded" is what only builds it


class _Bill(msgspec.Struct, frozen=True):
    """A bill of materials in the form of CycloneDX, as far as it is read here."""

    components: tuple[_Component, ...] = ()


def _of_package(name: str, package: Distribution, licences: Path) -> ThirdParty:
    text = _own_texts(package) or _read_texts(licences, MISSING_TEXTS.get(name, ()))
    if not text:
        raise StoreError(f"The package {name} brings no text of its licence, and Minerva has none")
    within = _within(package)
    if within:
        told = "\n".join(f"  {p.name} {p.version}: {p.licence}; {p.author}" for p in within)
        told = f"It is built with these, by its own records:\n\n{told}"
        text = "\n\n".join((text, told, _read_texts(licences, TEXTS_WITHIN.get(name, ()))))
    return ThirdParty(
        name=package.metadata["Name"].replace("_", "-"),
        version=package.version,
        licence=_licence(package),
        homepage=_homepage(package),
        text=text,
        within=within,
    )


def _within(package: Distribution) -> tuple[PartWithin, ...]:
    """What the package's own bills of materials name, by name. Raises `StoreError`."""
    found: list[_Component] = []
    for file in package.files or ():
        if file.suffix == ".json" and file.parts[1:2] == ("sboms",):
            content = Path(str(package.locate_file(file))).read_bytes()
            try:
                found += msgspec.json.decode(content, type=_Bill).components
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise _unreadable(Path(file.name), str(error)) from error
    return tuple(
        PartWithin(
            name=part.name,
            version=part.version,
            licence=" AND ".join(each.expression for each in part.licenses),
            author=part.author,
            address=part.purl,
        )
        for part in sorted(found, key=lambda part: (part.name, part.version))
        if part.scope != "excluded"
    )


def _licence(package: Distribution) -> str:
    metadata = package.metadata
    words = _field(package, "License-Expression") or _field(package, "License")
    first = words.strip().splitlines()[0] if words.strip() else ""
    if first:
        return SPDX.get(first.casefold(), first)
    classifiers = metadata.get_all("Classifier") or []
    names = [each.rsplit(" :: ", 1)[-1] for each in classifiers if each.startswith("License ::")]
    return ", ".join(names) or "see its text"


def _homepage(package: Distribution) -> str:
    urls = {"home-page": _field(package, "Home-page")}
    for entry in package.metadata.get_all("Project-URL") or []:
        label, _, url = entry.partition(",")
        urls.setdefault(label.strip().casefold(), url.strip())
    found = next((urls[label] for label in _HOMEPAGES if urls.get(label)), "")
    return found if found.startswith(("https://", "http://")) else ""


def _field(package: Distribution, name: str) -> str:
    return next(iter(package.metadata.get_all(name) or []), "")


def _own_texts(package: Distribution) -> str:
    """The files of its records that are licences or notices, each under its name."""
    texts = []
    for file in sorted(package.files or (), key=str):
        is_record = ".dist-info" in file.parts[0]
        if is_record and _TEXT_FILE.search(file.name):
            path = Path(str(package.locate_file(file)))
            texts.append((file.name, path.read_text(encoding="utf-8", errors="replace").strip()))
    if len(texts) == 1:
        return texts[0][1]
    return "\n\n".join(f"{name}\n{'-' * len(name)}\n{text}" for name, text in texts)


def _read_texts(licences: Path, names: Iterable[str]) -> str:
    texts = []
    for name in names:
        path = licences / name
        try:
            texts.append(path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            why = os_reason(error) if isinstance(error, OSError) else "it is no text"
            raise _unreadable(path, why) from error
    return "\n\n".join(texts)


def _unreadable(path: Path, why: str) -> StoreError:
    return StoreError(f"The licences in {path.name} cannot be read: {why}")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).casefold()
