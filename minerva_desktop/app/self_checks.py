"""The single checks of the self-test that need no model. All block; any thread.

`app.self_test` puts them in order.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import psutil

from minerva_desktop import __version__
from minerva_desktop.app.own_command import is_frozen
from minerva_desktop.app.self_report import CheckState, Outcome, PrivateWords
from minerva_desktop.app.third_parties import ThirdParty, third_parties, version_of
from minerva_desktop.devices.processor_name import processor_name
from minerva_desktop.devices.system_memory import system_memory
from minerva_desktop.errors import StoreError, folder_reason, os_reason
from minerva_desktop.paths import AppPaths
from minerva_desktop.store.health import check_health, sqlite_version
from minerva_desktop.units import format_bytes

LITTLE_BYTES, TOO_LITTLE_BYTES = 2_000_000_000, 200_000_000
NO_LICENCES = "nothing is known of the licences"


def ok(words: str) -> Outcome:
    """What is well."""
    return Outcome(CheckState.OK, words)


def warning(words: str) -> Outcome:
    """What should be looked at."""
    return Outcome(CheckState.WARNING, words)


def failed(words: str) -> Outcome:
    """What is broken."""
    return Outcome(CheckState.FAILED, words)


def check_resources(resources: Path) -> Outcome:
    """The icons and licences that come with the app."""
    icons = sorted((resources / "icons").glob("*.svg"))
    if not icons:
        return failed("there are no icons: this Minerva is not complete")
    for icon in icons:
        try:
            ElementTree.fromstring(icon.read_bytes())
        except OSError as error:
            return failed(f"{icon.name} cannot be read: {os_reason(error)}")
        except ElementTree.ParseError as error:
            return failed(f"{icon.name} is damaged: {error}")
    try:
        parts = third_parties(resources / "licences")
    except StoreError as error:
        return failed(error.message)
    return (
        ok(f"{len(icons)} icons, licences of {len(parts)} parts") if parts else failed(NO_LICENCES)
    )


def check_folders(paths: AppPaths) -> Outcome:
    """Whether a file can be made in each of the person's folders, as the app does all the time."""
    for name, folder in (("data", paths.data), ("settings", paths.config), ("log", paths.logs)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, prefix=".self-test-") as file:
                file.write(b"x")
                file.flush()
        except OSError as error:
            return failed(f"the {name} folder cannot be written: {folder_reason(folder, error)}")
    return ok("data, settings and log folder can be written")


def check_disk(folder: Path) -> Outcome:
    """What is free where the chats are, or would be: the check of the folders tells whether."""
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(there).free
    except OSError as error:
        return failed(f"it is not known what is free: {os_reason(error)}")
    words = f"{format_bytes(free)} free"
    if free < TOO_LITTLE_BYTES:
        return failed(f"{words}: chats may soon not be saved; make room")
    return ok(words) if free >= LITTLE_BYTES else warning(f"{words}: no room for most models")


def check_settings(paths: AppPaths) -> Outcome:
    """Whether the files of settings, presets and models are JSON, whatever they say."""
    files = (paths.settings, paths.presets, paths.catalog)
    there = [path for path in files if path.exists()]
    for path in there:
        try:
            json.loads(path.read_bytes())
        except OSError as error:
            return failed(f"{path.name} cannot be read: {os_reason(error)}")
        except (ValueError, RecursionError):
            return warning(f"{path.name} is damaged; Minerva sets it aside when it starts")
    return ok(f"{', '.join(path.name for path in there)} can be read" if there else "none yet")


def check_chats(paths: AppPaths) -> Outcome:
    """Whether the file of the chats is whole; it is only read."""
    health = check_health(paths.database)
    if health is None:
        return ok("none yet")
    if health.problem:
        return failed(f"{paths.database.name}: {health.problem}")
    if health.schema > health.known:
        return warning(
            f"they are of a newer Minerva (format {health.schema}, this one knows {health.known});"
            " update the app to open them"
        )
    return ok(f"whole, {format_bytes(health.n_bytes)}, format {health.schema}")


# -- facts -------------------------------------------------------------------------------------


def version_facts(parts: Iterable[ThirdParty]) -> dict[str, str]:
    """Of what this Minerva is made, without what only llama.cpp and Qt can tell."""
    known = tuple(parts)
    return {
        "Minerva": f"{__version__} ({'installed' if is_frozen() else 'from source'})",
        "llama-cpp-python": version_of(known, "llama-cpp-python") or "unknown",
        "Qt": version_of(known, "Qt") or "unknown",
        "SQLite": sqlite_version(),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
    }


def machine_facts() -> dict[str, str]:
    """The system and the machine; no name of it."""
    facts = {"System": system_name(), "Processor": processor_name()}
    cores = f"{os.cpu_count() or '?'} logical"
    physical = psutil.cpu_count(logical=False)
    facts["Cores"] = f"{physical} physical, {cores}" if physical else cores
    memory = system_memory()  # as the window has it: in a container what that may use
    known = f"{format_bytes(memory.total)}, {format_bytes(memory.free)} free"
    facts["Memory"] = memory.note or known
    return facts


def folder_facts(paths: AppPaths, private: PrivateWords) -> dict[str, str]:
    """Where things are kept, as far as that may be told."""
    return {
        "Data": private.folder(paths.data),
        "Settings": private.folder(paths.config),
        "Logs": private.folder(paths.logs),
    }


def feature_list(features: str) -> str:
    """What llama.cpp says that it uses, to be read: ``CPU: SSE3, AVX, AVX2``."""
    words = " ".join(features.split()).rstrip("| ").replace(" : ", ": ")
    return words.replace(" = 1", "").replace(" |", ",")


def system_name() -> str:
    """The operating system, with its version and that of its kernel."""
    kernel = f"{platform.system()} {platform.release()}"
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]} ({kernel})"
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:  # no Linux, or one that does not tell
        return kernel if platform.system() == "Linux" else f"{kernel} {platform.version()}"
    return f"{name} ({kernel})" if name else kernel
