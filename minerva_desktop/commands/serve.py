"""``minerva serve``: the HTTP endpoint without a window. Puts together what it needs of the app;
its `Runtime` has the main thread. Never loads Qt."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from minerva_desktop.api_keys import KeyFile, NamedKey
from minerva_desktop.app.memory_budgets import gpu_bytes, memory_bytes
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.served_request import GRACE_SECONDS, SOON_SECONDS
from minerva_desktop.commands.folders import find_draft, open_catalog, ready_paths, wanted_model
from minerva_desktop.commands.load_arguments import add_load_arguments, as_spelled
from minerva_desktop.commands.load_news import LoadNews
from minerva_desktop.commands.memory_arguments import (
    add_memory_arguments,
    named_model,
    with_memory,
)
from minerva_desktop.commands.parser import CommandParser, count, model_name, seconds, whole_number
from minerva_desktop.commands.served_loads import ServedLoads
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import RopeOptions
from minerva_desktop.engine.template_words import no_chats
from minerva_desktop.errors import (
    EndpointError,
    InvalidRequest,
    MinervaError,
    os_reason,
)
from minerva_desktop.library.measured_memory import MeasuredMemory
from minerva_desktop.logs import start_logging, terminal_line
from minerva_desktop.runtime import Runtime
from minerva_desktop.server.config import EndpointConfig
from minerva_desktop.server.endpoint import check_address
from minerva_desktop.settings import DEFAULT_WAITING, LOOPBACK, Settings, SettingsFile

IDLE_SECONDS = 600.0  # a model that was not asked for so long gives its memory back
MEMORY_SECONDS = 5.0  # between two looks at the memory
KEY_VARIABLE = "MINERVA_API_KEY"
MAX_KEY_FILE_BYTES = 4096
_OF_NAMED = (
    *("lora", "speculation"),
    *(f"rope.{name}" for name in RopeOptions.__struct_fields__),
)
KEY_HINT = ": `minerva keys create NAME` makes one"


def serve(arguments: Sequence[str]) -> int:
    """Serve until a signal comes; the exit code. Raises what starting raises."""
    parser = argument_parser()
    given = parser.parse_args(arguments)
    _check_named(parser, given)
    paths = ready_paths()
    start_logging(paths.logs)
    settings = with_memory(SettingsFile(paths.settings).current, given)
    host = settings.server_host if given.host is None else given.host
    key_file, catalog = KeyFile(paths.api_keys), open_catalog(paths)
    try:
        loads = ServedLoads(given, settings, paths)
        extra = _extra_keys(given)
        config = _config(given, settings, host, (*extra, *key_file.named_keys()))
    except InvalidRequest as error:
        parser.error(_flaw(error, host))
    models = [wanted_model(catalog, wanted).path for wanted in given.model]
    find_draft(catalog, given)
    loads.name(models)

    def make_runtime() -> Runtime:
        return Runtime(
            catalog,
            loads.options,
            own_options=loads.own,
            memory_bytes=memory_bytes(settings),
            gpu_bytes=gpu_bytes(settings),
            measured=MeasuredMemory(paths.measured_memory),
            idle_seconds=given.idle_seconds or None,
            on_event=LoadNews(_say, catalog.id_of, at_start=models),
            max_waiting=given.max_queue or settings.server_waiting,
            key_file=key_file,
        )

    async def run() -> None:
        await _Server(make_runtime(), loads, forced=given.force).run(models, config, extra)

    asyncio.run(run())
    return 0


def _check_named(parser: CommandParser, given: argparse.Namespace) -> None:
    """Without ``--model`` there is nothing that those arguments would be about."""
    if given.model:
        return
    if given.force:
        parser.error("argument --force: it goes with --model")
    name = next((name for field in _OF_NAMED if (name := as_spelled(given, field))), None)
    if name is not None:
        parser.error(f"argument {name}: it goes with --model, which names the models that get it")


def _config(
    given: argparse.Namespace, settings: Settings, host: str, keys: tuple[NamedKey, ...]
) -> EndpointConfig:
    """Where to listen, and who may ask for how much, the command line first. Raises
    `InvalidRequest`."""
    config = EndpointConfig(
        host=host,
        port=settings.server_port if given.port is None else given.port,
        api_keys=keys,
        allowed_origins=tuple(given.allow_origin) or settings.server_origins,
        allowed_hosts=tuple(given.allow_host) or settings.server_hosts,
        request_timeout_s=_request_seconds(given.timeout, settings),
        queue_timeout_s=given.queue_timeout or None,
        first_token_timeout_s=given.first_token_timeout or None,
    )
    config.check()
    return config


def _request_seconds(given: float | None, settings: Settings) -> float | None:
    return settings.server_request_s if given is None else given or None


def _flaw(error: InvalidRequest, host: str) -> str:
    """What is wrong with the arguments. Where a key is missing, ``host`` may be: then a key would
    not help."""
    if error.param != "api_key":
        return error.message
    try:
        asyncio.run(check_address(host))
    except EndpointError as unusable:
        return unusable.message
    return error.message + KEY_HINT


def argument_parser() -> CommandParser:
    """What the command takes, with its help."""
    parser = CommandParser(prog="minerva serve", description="Serve models over HTTP.")
    parser.add_argument(
        "--host", help=f"address to listen on (default: from the settings, else {LOOPBACK})"
    )
    parser.add_argument(
        "--port", type=whole_number, help="port to listen on (default: from the settings)"
    )
    _add_access_arguments(parser)
    parser.add_argument(
        "--model",
        action="append",
        type=model_name,
        default=[],
        help="load this one at the start; can be repeated (others are loaded when asked for); the"
        " first answers requests that name no model",
    )
    add_memory_arguments(parser, force="load what --model names")
    parser.add_argument(
        "--max-queue",
        type=count,
        metavar="N",
        help="requests that may wait for a model; more are answered 503 (default: from the"
        f" settings, else {DEFAULT_WAITING})",
    )
    parser.add_argument(
        "--idle-seconds",
        type=seconds,
        metavar="S",
        default=IDLE_SECONDS,
        help="unload a model that was not asked for so long, 0: never (%(default)g)",
    )
    _add_time_arguments(parser)
    add_load_arguments(
        parser,
        named="of what --model names",
        unsaid="For all models. What is not given is as the settings say of each.",
    )
    return parser


def _add_access_arguments(parser: argparse.ArgumentParser) -> None:
    """Who may call."""
    key = parser.add_mutually_exclusive_group()
    key.add_argument(
        "--api-key",
        metavar="KEY",
        help="a key that clients may send beside those of `minerva keys`; other users of this"
        f" machine can see it, unlike one in {KEY_VARIABLE} or a file",
    )
    key.add_argument("--api-key-file", type=Path, metavar="FILE", help="the same, read from FILE")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web origin (https://host[:port]) whose pages may call; can be"
        " repeated; instead of those in the settings",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name by which it may be called beside this machine's own, as by a proxy; can"
        " be repeated; instead of those in the settings",
    )


def _add_time_arguments(parser: argparse.ArgumentParser) -> None:
    """What a request may take; beyond, it is answered 408, and its place is free."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help="what a request may take, with the load of its model, which goes on when the time is"
        " over; 0: any time (default: from the settings, else any time)",
    )
    parser.add_argument(
        "--queue-timeout",
        type=seconds,
        metavar="S",
        default=0.0,
        help="how long a request for an answer or for embeddings may wait for its turn behind"
        " others, once its model is loaded; 0: any time (%(default)g)",
    )
    parser.add_argument(
        "--first-token-timeout",
        type=seconds,
        metavar="S",
        default=0.0,
        help="how long it may take to the first token of an answer, that wait included (embeddings"
        " have none, and come all at once); 0: any time (%(default)g)",
    )


def _extra_keys(given: argparse.Namespace) -> tuple[NamedKey, ...]:
    """Those that no file of ours holds, named by where they come from. Raises `InvalidRequest`."""
    keys = []
    # Out of the environment, so that no child process gets it.
    from_environment = os.environ.pop(KEY_VARIABLE, None)
    if from_environment is not None:
        keys.append(_named_key(KEY_VARIABLE, from_environment))
    if given.api_key is not None:
        keys.append(_named_key("--api-key", given.api_key))
    if given.api_key_file is not None:
        keys.append(_named_key("--api-key-file", _key_in(given.api_key_file)))
    return tuple(keys)


def _named_key(source: str, key: str) -> NamedKey:
    """An empty one is refused, too: the variable or the file that it was to come from was empty,
    and without a key everybody on this machine would get in."""
    try:
        return NamedKey.of(source, key)
    except InvalidRequest as error:
        why = "it is empty" if not key else error.message
        raise InvalidRequest(f"{source}: {why}", param=error.param) from error


def _key_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_FILE_BYTES).decode("ascii").strip()
    except OSError as error:
        raise InvalidRequest(f"No API key can be read from {path}: {os_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} holds more than an API key: it is no ASCII text") from error


class _Server:
    """The endpoint from its start to the second signal at the latest."""

    def __init__(self, runtime: Runtime, loads: ServedLoads, *, forced: bool) -> None:
        """``forced``: load what is named at the start beyond the budget, too."""
        self._runtime = runtime
        self._loads = loads
        self._forced = forced
        self._stopped = asyncio.Event()

    async def run(
        self, models: Sequence[Path], config: EndpointConfig, extra: tuple[NamedKey, ...]
    ) -> None:
        """Load ``models``, and serve until told to stop. Raises `OutOfMemory` where they do not
        fit, and what loading and starting raise."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows has no handlers on the loop; there Ctrl+C cancels this task.
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, self._on_signal)
        try:
            await self._until_stopped(self._serve(models, config, extra))
            await self._stop()
        finally:
            await self._runtime.close()

    def _on_signal(self) -> None:
        if self._stopped.is_set():
            self._runtime.endpoint.hurry()
            return
        self._stopped.set()

    async def _stop(self) -> None:
        stop = asyncio.create_task(self._runtime.endpoint.stop(GRACE_SECONDS))
        await asyncio.wait((stop,), timeout=SOON_SECONDS)
        if not stop.done():
            _say(
                f"Running requests have {GRACE_SECONDS:.0f} seconds to end"
                " (Ctrl+C once more ends them now)"
            )
        await stop

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Until ``stopped``, or until ``work`` fails."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            for each in (task, stopped):
                each.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    async def _serve(
        self, models: Sequence[Path], config: EndpointConfig, extra: tuple[NamedKey, ...]
    ) -> None:
        if self._loads.options.tensor_split:
            self._loads.check_devices(await self._runtime.devices())
        await self._load(models)
        url = await self._runtime.endpoint.start(
            host=config.host,
            port=config.port,
            api_keys=extra,
            allowed_origins=config.allowed_origins,
            allowed_hosts=config.allowed_hosts,
            request_timeout_s=config.request_timeout_s,
            queue_timeout_s=config.queue_timeout_s,
            first_token_timeout_s=config.first_token_timeout_s,
            start_models=tuple(models),
        )
        # 75,000 objects that stay as long as the process: a collection that goes through them holds
        # up all answers that stream (40 ms beside a model that computes).
        gc.freeze()
        _say(f"Minerva serves its models at {url}/v1 (the base URL for clients)")
        for reachable in await self._runtime.endpoint.network_urls():
            _say(f"In the network: {reachable}/v1")
        _say(f"Documentation: {url}/docs (Ctrl+C stops)")
        await self._watch_memory()

    async def _load(self, models: Sequence[Path]) -> None:
        async with contextlib.AsyncExitStack() as kept:  # none may go for the next
            for path in models:
                try:
                    engine = await kept.enter_async_context(
                        named_model(self._runtime, path, forced=self._forced)
                    )
                except InvalidRequest as error:
                    raise self._loads.blamed(error, path) from error
                await _warn_of_template(path, engine)

    async def _watch_memory(self) -> None:
        """Let the runtime see whether other programs need the memory."""
        await self._runtime.devices()
        snapshot = await self._runtime.measure_memory()
        if snapshot.has_unused_gpu and snapshot.reason:
            _say(snapshot.reason)
        while True:
            await self._runtime.measure_memory()
            await asyncio.sleep(MEMORY_SECONDS)


async def _warn_of_template(path: Path, engine: LlamaEngine) -> None:
    """A model with a broken chat template serves completions, and fails each chat."""
    if not engine.get_context_info().capabilities.chat:
        return
    try:
        await engine.apply_template((ChatTurn(Role.USER, "Hello"),))
    except MinervaError as error:
        _say(f"{path.name}: {no_chats(error)}")


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # who started it went away: it serves on
        print(terminal_line(sentence), file=sys.stderr, flush=True)
