"""Minerva's entry: what the arguments ask for, and the one place where it is put together.

    minerva [FILE.gguf …]     the window
    minerva chat [MODEL]      a conversation in the terminal
    minerva serve             the HTTP endpoint without a window
    minerva keys …            the endpoint's API keys: list, create, revoke
    minerva models …          the library: list, show, add, remove, alias
    --engine-child            an engine child (how the frozen app starts its own)

The imports inside the functions keep each of these free of the libraries of the others: `serve`
and `chat` never load Qt, and the window never loads llama.cpp, nor FastAPI before it serves.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from minerva_desktop import __version__
from minerva_desktop.errors import MinervaError
from minerva_desktop.logs import start_logging
from minerva_desktop.settings import Settings, SettingsFile

if TYPE_CHECKING:
    from minerva_desktop.app.chat_session import SessionListener
    from minerva_desktop.app.generation import AnswerEngine
    from minerva_desktop.app.model_actions import ModelState
    from minerva_desktop.engine.load_options import LoadOptions
    from minerva_desktop.engine.messages import ContextInfo
    from minerva_desktop.engine.pool_events import PoolEvent
    from minerva_desktop.library.catalog import Catalog
    from minerva_desktop.library.fit import Choice
    from minerva_desktop.library.gguf import GgufHeader
    from minerva_desktop.paths import AppPaths
    from minerva_desktop.runtime import Runtime

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
_EPILOG = """\
commands:
  minerva [FILE.gguf ...]       open the window (with these models)
  minerva chat [MODEL] [...]    chat in the terminal; --help tells more
  minerva serve [...]           serve the models to OpenAI clients; --help tells more
  minerva keys [...]            list, create or revoke API keys; --help tells more
  minerva models [...]          list, show, add, remove or name models; --help tells more

MINERVA_HOME puts all settings, chats and logs into one folder.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Minerva; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--engine-child"]:
        from minerva_desktop.engine import child

        child.main()
        return EXIT_OK
    commands = {"chat": _chat, "keys": _keys, "serve": _serve, "models": _models}
    run = commands.get(given[0]) if given else None
    try:
        return run(given[1:]) if run else _gui(given)
    except MinervaError as error:
        print(f"minerva: {error.message}", file=sys.stderr)
        if error.detail:
            print(error.detail, file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


# -- the window --------------------------------------------------------------------------------


def _gui(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="minerva",
        description="Chat with language models that run on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.gguf")
    parser.add_argument("--version", action="version", version=f"Minerva Desktop {__version__}")
    options = parser.parse_args(arguments)
    for path in options.files:
        if not path.suffix and not path.exists():
            parser.error(f"there is no command and no file “{path}”")
    from minerva_desktop.ui.import_scan import stop_import_scan

    stop_import_scan()
    from minerva_desktop.api_keys import KeyFile
    from minerva_desktop.app.access_keys import AccessKeys
    from minerva_desktop.app.chat_library import ChatLibrary
    from minerva_desktop.app.model_actions import ModelActions
    from minerva_desktop.app.services import Services
    from minerva_desktop.commands.folders import open_catalog, ready_paths
    from minerva_desktop.engine.snapshot_files import SnapshotFiles
    from minerva_desktop.store.chat_store import ChatStore
    from minerva_desktop.ui.application import run_window

    paths = ready_paths()
    start_logging(paths.logs)
    settings = SettingsFile(paths.settings)
    catalog = open_catalog(paths)

    def make_runtime(on_change: Callable[[ModelState], None]) -> Runtime:
        return _window_runtime(catalog, settings.current, paths, on_change)

    async def open_chats(engine: AnswerEngine, listener: SessionListener) -> ChatLibrary:
        store = await ChatStore.open(paths.database)
        return ChatLibrary(store, engine, listener, SnapshotFiles(paths.snapshots))

    services = Services(
        paths=paths,
        settings=settings,
        models=ModelActions(catalog),
        access_keys=AccessKeys(KeyFile(paths.api_keys)),
        open_chats=open_chats,
    )
    return run_window(services, make_runtime, [path.absolute() for path in options.files])


def _window_runtime(
    catalog: Catalog,
    settings: Settings,
    paths: AppPaths,
    on_change: Callable[[ModelState], None],
) -> Runtime:
    from minerva_desktop.api_keys import KeyFile
    from minerva_desktop.app.model_actions import (
        gpu_bytes,
        load_options,
        memory_bytes,
        model_state,
        own_options,
    )
    from minerva_desktop.library.measured_memory import MeasuredMemory
    from minerva_desktop.runtime import Runtime

    def tell(event: PoolEvent) -> None:
        on_change(model_state(event))

    options = load_options(settings, paths.snapshots)
    return Runtime(
        catalog,
        options,
        own_options=own_options(settings, options),
        memory_bytes=memory_bytes(settings),
        gpu_bytes=gpu_bytes(settings),
        measured=MeasuredMemory(paths.measured_memory),
        on_event=tell,
        key_file=KeyFile(paths.api_keys),
    )


# -- the terminal ------------------------------------------------------------------------------


def _chat(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="minerva chat", description="Chat in the terminal.")
    parser.add_argument(
        "model", nargs="?", help="a library model or a GGUF file (default: the built-in one)"
    )
    parser.add_argument("--prompt", metavar="TEXT", help="answer this and exit")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="end an answer after so many")
    parser.add_argument("--seed", type=int, metavar="S", help="same seed and prompt: same answer")
    parser.add_argument(
        "--temperature", type=float, metavar="T", help="0 takes the likeliest token"
    )
    parser.add_argument("--n-ctx", type=int, metavar="N", help="context in tokens")
    options = parser.parse_args(arguments)
    from minerva_desktop.app.terminal_chat import TerminalChat
    from minerva_desktop.chat.sampling import SamplingParameters
    from minerva_desktop.commands.folders import model_path, open_catalog, ready_paths
    from minerva_desktop.engine.load_options import LoadOptions

    start_logging(None)
    given = {
        name: getattr(options, name)
        for name in ("max_tokens", "seed", "temperature")
        if getattr(options, name) is not None
    }
    sampling = SamplingParameters(**given)
    sampling.check()
    model = model_path(open_catalog(ready_paths()), options.model)
    chat = TerminalChat(model, LoadOptions(n_ctx=options.n_ctx), sampling)
    talk = chat.converse() if options.prompt is None else chat.answer_once(options.prompt)
    try:
        return asyncio.run(talk)
    except BrokenPipeError:
        # Whoever read the answer has gone (`| head`). Python would complain once more at its exit,
        # where it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


# -- the endpoint ------------------------------------------------------------------------------


def _serve(arguments: list[str]) -> int:
    from minerva_desktop.commands.serve import serve

    return serve(arguments)


def _keys(arguments: list[str]) -> int:
    from minerva_desktop.commands.keys import keys

    return keys(arguments)


# -- the library -------------------------------------------------------------------------------


def _models(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="minerva models", description="The models you have.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all models, and what is wrong with those that do not load")
    show = commands.add_parser("show", help="what a model is, and the memory that it would take")
    show.add_argument("model", help="a library model or a GGUF file")
    show.add_argument("--n-ctx", type=int, metavar="N", help="context in tokens")
    show.add_argument("--parallel", type=int, metavar="N", help="requests computed together")
    show.add_argument("--kv-type", choices=["f16", "q8_0", "q4_0"], help="of the KV cache")
    show.add_argument("--load", action="store_true", help="load it, and say what it takes really")
    add = commands.add_parser("add", help="take in GGUF files, in place")
    add.add_argument("files", nargs="+", type=Path, metavar="FILE.gguf")
    remove = commands.add_parser("remove", help="forget a model; its file stays")
    remove.add_argument("model", help="a library model")
    alias = commands.add_parser("alias", help="give a model another name, for HTTP clients")
    alias.add_argument("model", help="a library model")
    alias.add_argument("name", help="what it is called too")
    alias.add_argument("--remove", action="store_true", help="take the name away again")
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="for scripts")
    options = parser.parse_args(arguments)
    from minerva_desktop.app.model_commands import ModelCommands
    from minerva_desktop.commands.folders import open_catalog, ready_paths

    start_logging(None)
    paths = ready_paths()
    settings = SettingsFile(paths.settings).current
    library = ModelCommands(
        open_catalog(paths),
        lambda header, wanted: asyncio.run(_choose_once(header, wanted, settings)),
        lambda path, wanted: asyncio.run(_load_once(path, wanted)),
        as_json=options.json,
    )
    match options.command:
        case "list":
            library.list_models()
        case "show":
            library.show(options.model, _wanted_options(options), load=options.load)
        case "add":
            return EXIT_OK if library.add(options.files) else EXIT_FAILED
        case "remove":
            library.remove(options.model)
        case "alias":
            library.alias(options.model, options.name, remove=options.remove)
    return EXIT_OK


async def _choose_once(
    header: GgufHeader, options: LoadOptions, settings: Settings
) -> tuple[Choice, LoadOptions]:
    from minerva_desktop.app.model_actions import gpu_bytes, memory_bytes
    from minerva_desktop.devices.device_list import discrete_gpus, use_gpus
    from minerva_desktop.devices.ledgers import cpu_ledgers
    from minerva_desktop.engine.device_query import list_devices
    from minerva_desktop.engine.spare import SpareChild
    from minerva_desktop.load_choice import choose
    from minerva_desktop.runtime import default_memory_budget

    spare = SpareChild()
    try:
        gpus = discrete_gpus(await list_devices(spare))
    finally:
        await spare.close()
    budget = memory_bytes(settings)
    ledgers = cpu_ledgers(default_memory_budget() if budget is None else budget)
    use_gpus(ledgers, gpus, gpu_bytes(settings))
    return choose(header, options, ledgers.room(), gpus)


async def _load_once(path: Path, options: LoadOptions) -> ContextInfo:
    from minerva_desktop.engine.engine import LlamaEngine

    engine = LlamaEngine(path)
    try:
        return await engine.load(options=options)
    finally:
        await engine.unload()


def _wanted_options(given: argparse.Namespace) -> LoadOptions:
    from minerva_desktop.engine.load_options import KvType, LoadOptions

    wanted = LoadOptions(n_ctx=given.n_ctx)
    if given.parallel is not None:
        wanted = msgspec.structs.replace(wanted, n_parallel=given.parallel)
    if given.kv_type is not None:
        kind = KvType(given.kv_type)
        wanted = msgspec.structs.replace(wanted, kv_type_k=kind, kv_type_v=kind)
    wanted.check()
    return wanted


if __name__ == "__main__":
    sys.exit(main())
