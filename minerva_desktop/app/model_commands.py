"""`minerva models`: the library in the terminal. Prints to stdout; called on the main thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.errors import MinervaError
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.library.display_text import one_line
from minerva_desktop.library.fit import Choice, Fit
from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.header_capabilities import header_capabilities
from minerva_desktop.library.memory_estimate import DeviceMemory
from minerva_desktop.library.model_file import ModelFile
from minerva_desktop.library.split_model import read_whole_model
from minerva_desktop.units import format_bytes, format_count

# The best options that fit, and the load options with them.
Chooser = Callable[[GgufHeader, LoadOptions], tuple[Choice, LoadOptions]]
# Loads a model as given and ends it again: what llama.cpp says that it took.
Loader = Callable[[Path, LoadOptions], ContextInfo]

_FITS = {
    Fit.FITS: "fits",
    Fit.SMALLER_CONTEXT: "fits with less memory for the context",
    Fit.NEEDS_OFFLOAD: "fits with some layers on the CPU",
    Fit.WONT_FIT: "does not fit",
}


class ModelCommands:
    """One run of a command on ``catalog``. ``as_json``: for scripts instead of for people."""

    def __init__(self, catalog: Catalog, choose: Chooser, load: Loader, *, as_json: bool) -> None:
        self._catalog = catalog
        self._choose = choose
        self._load = load
        self._as_json = as_json

    def list_models(self) -> None:
        """All models, with what is wrong with those that cannot be loaded."""
        entries = self._catalog.entries()
        if self._as_json:
            _print_json([_facts(entry.model) | {"problem": entry.problem} for entry in entries])
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
        _print_table(("MODEL", "PARAMETERS", "QUANTISATION", "SIZE", "ALIASES", "FILE"), rows)

    def add(self, paths: Sequence[Path]) -> bool:
        """Take files in, in place; whether all of them could be. Each that could not is told."""
        failures: list[MinervaError] = []
        added: list[ModelFile] = []
        for path in paths:
            try:
                added.append(self._catalog.add(path))
            except MinervaError as error:
                failures.append(error)
        if self._as_json:
            problems = [error.message for error in failures]
            _print_json({"added": [_facts(model) for model in added], "problems": problems})
        else:
            for model in added:
                print(f"added {one_line(model.model_id)} ({format_bytes(model.size)})")
            for failure in failures:
                print(f"not added: {failure.message}")
        return not failures

    def remove(self, wanted: str) -> None:
        """Forget a model; its file stays. Raises `MinervaError`."""
        model = self._known(wanted)
        self._catalog.remove(model.path)
        if self._as_json:
            _print_json({"removed": _facts(model)})
        else:
            print(f"removed {one_line(model.model_id)}; the file {model.path} stays")

    def alias(self, wanted: str, alias: str, *, remove: bool) -> None:
        """Give a model another name, or take it away. Raises `MinervaError`."""
        path = self._known(wanted).path
        if remove:
            model = self._catalog.remove_alias(path, alias)
        else:
            model = self._catalog.add_alias(path, alias)
        if self._as_json:
            _print_json({"removed" if remove else "added": alias, "model": _facts(model)})
        elif remove:
            print(f"{alias} is no longer a name of {model.model_id}")
        else:
            print(f"{alias} is now a name of {model.model_id}")

    def _known(self, wanted: str) -> ModelFile:
        """Also one that cannot be loaded any more: it is to be removed all the more."""
        for entry in self._catalog.entries():
            model = entry.model
            if wanted in (model.model_id, *model.aliases, model.file_name, str(model.path)):
                return model
            if Path(wanted).absolute() == model.path:
                return model
        return self._catalog.find(wanted)

    def show(self, wanted: str, options: LoadOptions, *, load: bool) -> None:
        """What a file is, and the memory that it would take with the best options that fit;
        ``load``: also what it takes really. Raises `MinervaError`."""
        path = Path(wanted).expanduser()
        is_file = path.suffix.lower() == ".gguf" or path.exists()
        model_path = path.absolute() if is_file else self._catalog.find(wanted).path
        aliases = self._aliases(model_path)
        header = read_whole_model(model_path).header
        choice, chosen_options = self._choose(header, options)
        memory = [_memory(device) for device in choice.estimate.devices]
        if load:
            info = self._load(model_path, chosen_options)
            took = info.weights_bytes + info.kv_bytes + info.compute_bytes
            memory[0] |= {"measured_bytes": took}
        if self._as_json:
            chosen = {
                "n_ctx": choice.options.n_ctx,
                "kv_type": choice.options.kv_type_k,
                "fit": choice.fit.value,
                "reasons": choice.reasons,
            }
            facts = _header_facts(header) | {"aliases": aliases}
            _print_json(facts | {"load": chosen, "memory": memory})
            return
        _print_header(header)
        print(f"{'aliases':<16} {', '.join(aliases) or '-'}")
        print(f"{'context':<16} {choice.options.n_ctx:,} tokens, KV in {choice.options.kv_type_k}")
        print(f"{'fit':<16} {_FITS[choice.fit]}")
        for reason in choice.reasons:
            print(f"{'':<16} {reason}")
        print()
        rows = [
            [format_bytes(value) if isinstance(value, int) else value for value in device.values()]
            for device in memory
        ]
        head = (
            "MEMORY",
            "WEIGHTS",
            "KV CACHE",
            "COMPUTE",
            "TOTAL",
            *(["MEASURED"] if load else []),
        )
        _print_table(head, [row + [""] * (len(head) - len(row)) for row in rows])

    def _aliases(self, path: Path) -> tuple[str, ...]:
        entries = self._catalog.entries()
        found = (entry.model.aliases for entry in entries if entry.model.path == path)
        return next(found, ())


def _memory(device: DeviceMemory) -> dict[str, str | int]:
    return {
        "device": device.device,
        "weights_bytes": device.weights_bytes,
        "kv_bytes": device.kv_bytes,
        "compute_bytes": device.compute_bytes,
        "total_bytes": device.total_bytes,
    }


def _header_facts(header: GgufHeader) -> dict[str, object]:
    """What a header says, by name."""
    return {
        "name": header.name,
        "architecture": header.architecture,
        "quantisation": header.quantisation,
        "n_params": header.n_params,
        "n_layers": header.n_layers,
        "n_embd": header.n_embedding,
        "n_vocab": header.n_vocab,
        "n_ctx_train": header.n_ctx_train,
        "tensor_bytes": header.tensor_bytes,
        "has_chat_template": header.has_chat_template,
        "capabilities": header_capabilities(header),
    }


def _print_header(header: GgufHeader) -> None:
    """The same for people."""
    rows = (
        ("name", one_line(header.name) or "-"),
        ("architecture", one_line(header.architecture)),
        ("parameters", format_count(header.n_params)),
        ("quantisation", header.quantisation),
        ("weights", format_bytes(header.tensor_bytes)),
        ("layers", f"{header.n_layers:,}"),
        ("width", f"{header.n_embedding:,}"),
        ("vocabulary", f"{header.n_vocab:,} tokens"),
        ("trained context", f"{header.n_ctx_train:,} tokens"),
        ("chat template", "yes" if header.has_chat_template else "no"),
        ("capabilities", ", ".join(header_capabilities(header))),
    )
    for name, value in rows:
        print(f"{name:<16} {value}")


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


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())
