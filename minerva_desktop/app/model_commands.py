"""`minerva models`: the library in the terminal. Prints to stdout; called on the main thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minerva_desktop.app.model_report import Appraisal, Measured, print_report
from minerva_desktop.app.terminal_output import print_failure, print_json, print_line, print_table
from minerva_desktop.errors import InvalidRequest, MinervaError
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.library.display_text import one_line, shown_name
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.paths import may_exist
from minerva_desktop.units import format_bytes


class ModelCommands:
    """One run of a command on ``catalog``. ``as_json``: for scripts instead of for people."""

    def __init__(self, catalog: Catalog, *, as_json: bool) -> None:
        self._catalog = catalog
        self._as_json = as_json

    def list_models(self) -> None:
        """All models, with what is wrong with those that cannot be loaded."""
        entries = self._catalog.entries()
        if self._as_json:
            print_json([_facts(entry.model) | {"problem": entry.problem} for entry in entries])
            return
        rows = [
            (
                one_line(entry.model.model_id),
                entry.model.parameters,
                entry.model.quantisation,
                format_bytes(entry.model.size),
                ", ".join(entry.model.aliases),
                entry.problem or str(entry.model.path),
            )
            for entry in entries
        ]
        print_table(("MODEL", "PARAMETERS", "QUANTISATION", "SIZE", "ALIASES", "FILE"), rows)

    def add(self, paths: Sequence[Path]) -> bool:
        """Take files in, in place; whether all of them are there now. Each that is not is told."""
        failures: list[MinervaError] = []
        added: list[ModelFile] = []
        known: list[ModelFile] = []
        there = {entry.model.path for entry in self._catalog.entries()}
        for path in paths:
            try:
                model = self._catalog.add(path)
            except MinervaError as error:
                failures.append(error)
                continue
            (known if model.path in there else added).append(model)
            there.add(model.path)
        if self._as_json:
            problems = [error.message for error in failures]
            found = {"added": added, "already_there": known}
            facts = {name: [_facts(model) for model in each] for name, each in found.items()}
            print_json({**facts, "problems": problems})
        else:
            for model in added:
                print_line(f"added {one_line(model.model_id)} ({format_bytes(model.size)})")
            for model in known:
                print_line(f"{one_line(model.model_id)} is already there: {model.path}")
            for failure in failures:
                print_failure(f"not added: {failure.message}")
        return not failures

    def remove(self, wanted: str) -> None:
        """Forget a model; its file stays. Raises `MinervaError`."""
        model = self._known(wanted)
        self._catalog.remove(model.path)
        if self._as_json:
            print_json({"removed": _facts(model)})
        else:
            print_line(f"removed {one_line(model.model_id)}; the file {model.path} stays")

    def alias(self, wanted: str, alias: str, *, remove: bool) -> None:
        """Give a model another name, or take it away. Raises `MinervaError`."""
        path = self._known(wanted).path
        if remove:
            model = self._catalog.remove_alias(path, alias)
        else:
            model = self._catalog.add_alias(path, alias)
        if self._as_json:
            print_json({"removed" if remove else "added": alias, "model": _facts(model)})
        elif remove:
            print_line(f"{alias} is no longer a name of {model.model_id}")
        else:
            print_line(f"{alias} is now a name of {model.model_id}")

    def _known(self, wanted: str) -> ModelFile:
        """Also one that cannot be loaded any more: it is to be removed all the more."""
        for entry in self._catalog.entries():
            model = entry.model
            if wanted in (model.model_id, *model.aliases, model.file_name, str(model.path)):
                return model
            if Path(wanted).absolute() == model.path:
                return model
        if Path(wanted).suffix and may_exist(Path(wanted)):
            how = "`minerva models add` takes it in"
            raise InvalidRequest(f"{shown_name(Path(wanted))} is not in the library: {how}")
        return self._catalog.find(wanted)

    def show(self, path: Path, appraisal: Appraisal, measured: Measured | None) -> None:
        """What the model at ``path`` is, and the memory that it would take with the best options
        that fit; and what it took really, where that was ``measured``."""
        print_report(appraisal, self._aliases(path), measured, as_json=self._as_json)

    def _aliases(self, path: Path) -> tuple[str, ...]:
        entries = self._catalog.entries()
        found = (entry.model.aliases for entry in entries if entry.model.path == path)
        return next(found, ())


def _facts(model: ModelFile) -> dict[str, object]:
    return {
        "id": model.model_id,
        "name": model.name,
        "path": str(model.path).encode("utf-8", "replace").decode(),
        "size_bytes": model.size,
        "architecture": model.architecture,
        "quantisation": model.quantisation,
        "parameters": model.parameters,
        "n_ctx_train": model.n_ctx_train,
        "capabilities": model.capabilities,
        "aliases": model.aliases,
    }
