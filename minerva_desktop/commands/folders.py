"""The person's folders and library, as every command opens them. Main thread."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from minerva_desktop.commands.parser import spelled
from minerva_desktop.errors import MinervaError, ModelNotFound, StoreError, folder_reason
from minerva_desktop.library.catalog import Catalog, find_embedded_model
from minerva_desktop.library.model_file import ModelFile, read_model_file
from minerva_desktop.paths import HOME_VARIABLE, AppPaths, app_paths, expanded, may_exist


def ready_paths() -> AppPaths:
    """The folders, made where they were not. Raises `StoreError`."""
    paths = app_paths()
    try:
        paths.create()
    except OSError as error:
        folders = (("data", paths.data), ("settings", paths.config), ("log", paths.logs))
        name, folder = next((each for each in folders if not _is_folder(each[1])), folders[0])
        raise StoreError(
            f"The {name} folder {folder} cannot be used: {folder_reason(folder, error)}."
            f" {HOME_VARIABLE} may name another one"
        ) from error
    return paths


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # in one that this user may not enter
        return False


def open_catalog(paths: AppPaths) -> Catalog:
    """The library."""
    return Catalog(paths.catalog, embedded=find_embedded_model())


def wanted_model(catalog: Catalog, wanted: str | None) -> ModelFile:
    """A library model by name, or a GGUF file by path, which ``catalog`` then knows, too, but does
    not keep; None: the default model. Raises `ModelNotFound` or `ModelLoadError`."""
    if wanted is None:
        return catalog.default()
    return _found(catalog, wanted, catalog.welcome)


def file_path(catalog: Catalog, wanted: str) -> Path:
    """Where a model is that ``catalog`` need not know. Raises the same."""
    return _found(catalog, wanted, read_model_file).path


def _found(catalog: Catalog, wanted: str, read: Callable[[Path], ModelFile]) -> ModelFile:
    path = expanded(wanted).absolute()
    if may_exist(path):
        return read(path)
    try:
        return catalog.find(wanted)  # by its file's name, too, wherever the file is
    except ModelNotFound:
        if path.suffix.lower() != ".gguf":
            raise
        return read(path)  # says that there is no such file


def find_draft(catalog: Catalog, given: argparse.Namespace) -> None:
    """Let the draft model that was given be a path from now on. Raises `MinervaError`, by the
    option's name as it was given."""
    if given.draft_model is None:
        return
    try:
        given.draft_model = str(file_path(catalog, given.draft_model))
    except MinervaError as error:
        name = spelled(given, "draft_model")
        raise type(error)(f"argument {name}: {error.message}", detail=error.detail) from error
