"""The import rule of DESIGN section 4, the size limits, and what may never be loaded where."""

from __future__ import annotations

import ast
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "minerva_desktop"
ANYONE = {
    "errors",
    "paths",
    "settings",
    "logs",
    "units",
    "digests",
    "load_limits",
    "time_limit",
    "api_keys",
    "caller_names",
    "",
}

ALLOWED = {
    "ui": {"app", "chat"},
    "app": {"chat", "documents", "engine", "library", "store", "devices"},
    # Entry points, like `__main__`, but with no window.
    "commands": {"app", "runtime", "server", "engine", "library", "devices", "load_choice", "chat"},
    "runtime": {"server", "engine", "library", "devices", "load_choice"},
    "load_choice": {"engine", "library", "devices"},
    "server": {"chat", "documents", "engine", "library", "devices"},
    "documents": {"chat"},
    "engine": {"chat", "devices"},
    "library": {"devices"},
    "store": {"chat"},
    "chat": set(),
    "devices": set(),
    # Downwards only: the errors know nobody.
    "settings": {"chat"},
    "api_keys": {"digests"},
    "caller_names": set(),
    "paths": set(),
    "logs": {"paths"},
    "command_line": set(),
    "failed_start": set(),
    "running_mark": set(),
    "processor": set(),
    "display": set(),
    "units": set(),
    "digests": set(),
    "load_limits": set(),
    "time_limit": set(),
    "errors": set(),
}
# Beyond their layer's rule.
EXTRA = {"ui/engine_worker.py": {"runtime"}}

HOMES = {
    "llama_cpp": ("engine/core/",),
    "PySide6": ("ui/",),
    "qasync": ("ui/",),
    "fastapi": ("server/",),
    "starlette": ("server/",),
    "uvicorn": ("server/",),
    "apsw": ("store/",),
    "huggingface_hub": ("library/",),
    "ctypes": (
        "engine/core/llama.py",
        "engine/core/abort_flag.py",
        "engine/core/token_batch.py",
        "engine/core/vocabulary.py",
        "engine/core/sampler.py",
        "engine/core/greedy.py",
        "engine/core/logits.py",
        "engine/core/adapters.py",
        "engine/core/backend_devices.py",
        "engine/core/bindings.py",
        "engine/core/own_memory.py",  # what glibc and Linux alone offer
        "time_limit.py",  # raises in another thread
        "running_mark.py",  # a call of Windows' kernel
        "engine/parent_death.py",  # a call of the kernel's that Python has no name for
    ),
}
# Imports inside functions, and by name. Each says why in its own words, too.
LATE_IMPORTS = {
    "__main__.py",  # each command loads its own half
    "chat/export_html.py",  # ziamath, with the first formula
    "digests.py",  # OpenSSL's library
    "devices/driver.py",  # the NVIDIA library, where there is a driver
    "engine/child.py",  # llama.cpp, once stdout is safe from it
    "engine/core/bindings.py",  # parts of the bindings, without the rest of their package
    "load_choice.py",  # what knows the versions of packages
    "runtime.py",  # psutil, after the window's start
    "server/endpoint_switch.py",  # FastAPI, when the endpoint is switched on
    "store/opening.py",  # temporary files, where chats are read from a copy
    "ui/answer_runs.py",  # what reads answers, with the first one
    "ui/chat_files_controller.py",  # Markdown and Pygments, when chats are exported
    "ui/lean_asyncio.py",  # asyncio, without what it would import
    "ui/late_dialogs.py",  # dialogs, when one is opened
    "ui/chat_view/message_views.py",  # and after the first paint
    "ui/chat_view/preloading.py",
}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50


def _layer(name: str) -> str:
    return Path(name).parts[0].removesuffix(".py")


@dataclass
class Source:
    """A file, and what the rules are about, found in one walk: to walk through all our code takes
    a second."""

    text: str
    docstring: str | None = None
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=list)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)
    names: list[ast.Name | ast.Attribute] = field(default_factory=list)  # that import, too
    n_globals: int = 0

    def modules(self) -> Iterator[str]:
        """The names of what is imported."""
        for node in self.imports:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            else:
                assert node.level == 0, "absolute imports only"
                yield node.module or ""

    def imports_inside(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether it does, by whatever words."""
        lines = range(function.lineno, (function.end_lineno or 0) + 1)
        return any(node.lineno in lines for node in (*self.imports, *self.names))


def _source(path: Path) -> Source:
    source = Source(path.read_text(encoding="utf-8"))
    tree = ast.parse(source.text)
    source.docstring = ast.get_docstring(tree)
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                source.functions.append(node)
            case ast.Import() | ast.ImportFrom():
                source.imports.append(node)
            case ast.Name(id="import_module" | "__import__"):
                source.names.append(node)
            case ast.Attribute(attr="import_module" | "__import__"):
                source.names.append(node)
            case ast.Global():
                source.n_globals += 1
    return source


def _sources(*folders: str) -> dict[str, Source]:
    gc.disable()  # To look a million nodes through for garbage, as they come, takes 3.6 of 5.4 s.
    try:
        return {
            path.relative_to(ROOT).as_posix(): _source(path)
            for folder in folders
            for path in sorted((ROOT / folder).rglob("*.py"))
        }
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module")
def everything() -> dict[str, Source]:
    """All our code, by path from the root."""
    return _sources("minerva_desktop", "scripts", "tests")


@pytest.fixture(scope="module")
def package(everything: dict[str, Source]) -> dict[str, Source]:
    """That of the package, by path inside it."""
    inside = "minerva_desktop/"
    return {
        name.removeprefix(inside): source
        for name, source in everything.items()
        if name.startswith(inside)
    }


def test_a_layer_imports_only_what_it_may(package: dict[str, Source]) -> None:
    wrong = []
    for name, source in package.items():
        layer = _layer(name)
        if layer in {"__main__", "__init__"}:
            continue
        may = ALLOWED[layer] | EXTRA.get(name, set()) | ANYONE | {layer}
        if layer in {"errors", "paths", "logs", "units", "digests", "time_limit", "api_keys"}:
            may = {"errors", ""} | ALLOWED[layer]
        for module in source.modules():
            parts = module.split(".")
            if parts[0] == "minerva_desktop" and (parts[1] if parts[1:] else "") not in may:
                wrong.append(f"{name} imports {module}")
    assert not wrong


def test_a_heavy_library_has_one_home(package: dict[str, Source]) -> None:
    wrong = [
        f"{name} imports {module}"
        for name, source in package.items()
        for module in source.modules()
        if (homes := HOMES.get(module.split(".")[0])) and not name.startswith(homes)
    ]
    assert not wrong


def test_no_import_hides_in_a_function(package: dict[str, Source]) -> None:
    wrong = [
        f"{name}: {function.name} imports"
        for name, source in package.items()
        if name not in LATE_IMPORTS
        for function in source.functions
        if source.imports_inside(function)
    ]
    assert not wrong


def test_every_module_says_what_it_is_for(package: dict[str, Source]) -> None:
    assert [name for name, source in package.items() if not source.docstring] == []


def test_files_and_functions_stay_small(everything: dict[str, Source]) -> None:
    wrong = []
    for name, source in everything.items():
        if source.text.count("\n") > MAX_FILE_LINES:
            wrong.append(f"{name} is over {MAX_FILE_LINES} lines")
        for function in source.functions:
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                wrong.append(f"{name}: {function.name} has {lines} lines")
    assert not wrong


def test_no_globals_star_imports_or_drawers(everything: dict[str, Source]) -> None:
    wrong = []
    for name, source in everything.items():
        if Path(name).name in {"utils.py", "misc.py", "helpers.py"}:
            wrong.append(name)
        wrong += [f"{name} has a global"] * source.n_globals
        for node in source.imports:
            if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
                wrong.append(f"{name} imports *")
    assert not wrong


def _loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return {module.split(".")[0] for module in modules}


def test_the_window_loads_neither_llama_cpp_nor_the_http_libraries() -> None:
    loaded = _loaded_by(
        "import minerva_desktop.ui.application, minerva_desktop.runtime, "
        "minerva_desktop.app.services, minerva_desktop.library.catalog"
    )
    assert loaded.isdisjoint({"llama_cpp", "fastapi", "uvicorn", "numpy"})


def test_serving_loads_no_qt() -> None:
    loaded = _loaded_by(
        "import minerva_desktop.__main__, minerva_desktop.runtime, "
        "minerva_desktop.server.endpoint, minerva_desktop.app.model_actions, "
        "minerva_desktop.app.terminal_chat, minerva_desktop.commands.serve, "
        "minerva_desktop.commands.keys, minerva_desktop.commands.chat, "
        "minerva_desktop.commands.models, minerva_desktop.commands.chats, "
        "minerva_desktop.commands.selftest"
    )
    assert loaded.isdisjoint({"PySide6", "shiboken6", "qasync", "llama_cpp"})


def test_the_engine_child_loads_only_what_it_needs() -> None:
    loaded = _loaded_by("import minerva_desktop.engine.core.loop")
    assert loaded.isdisjoint({"PySide6", "fastapi", "apsw", "numpy", "diskcache"})
