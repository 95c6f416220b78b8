"""``minerva chat``: a conversation in the terminal. Its `Runtime` has the main thread; never loads
Qt."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from minerva_desktop.app.memory_budgets import gpu_bytes, memory_bytes
from minerva_desktop.app.terminal_chat import LoadProgress, TerminalChat
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.commands.folders import find_draft, open_catalog, ready_paths, wanted_model
from minerva_desktop.commands.load_arguments import add_load_arguments, as_given
from minerva_desktop.commands.memory_arguments import (
    add_memory_arguments,
    named_model,
    with_memory,
)
from minerva_desktop.commands.parser import (
    CommandParser,
    model_name,
    number,
    prompt,
    token_limit,
    whole_number,
)
from minerva_desktop.commands.saved_options import asked_of, blamed, saved_options
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import EMBEDS_ONLY
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.library.context_reach import stretch_of, training
from minerva_desktop.library.gguf import read_header
from minerva_desktop.library.measured_memory import MeasuredMemory
from minerva_desktop.logs import start_logging
from minerva_desktop.paths import AppPaths
from minerva_desktop.runtime import Runtime
from minerva_desktop.settings import Settings, SettingsFile

# Who warns that a model's engine died: the answer that ended with it says so, and the next message
# loads the model again. What cannot be simulated cannot be loaded, either, and that is said.
_TOLD_OTHERWISE = (
    "minerva_desktop.engine.pool",
    "minerva_desktop.engine.connection",
    "minerva_desktop.engine.dry_run",
)


def chat(arguments: list[str]) -> int:
    """Run the command; the exit code. Raises `MinervaError`."""
    parser = argument_parser()
    given = parser.parse_args(arguments)
    if given.named is not None:
        if given.model is not None:
            parser.error("one model answers: name it once")
        given.model = given.named
    start_logging(None, told_otherwise=_TOLD_OTHERWISE)
    named = {
        name: getattr(given, name)
        for name in ("max_tokens", "seed", "temperature")
        if getattr(given, name) is not None
    }
    sampling = SamplingParameters(**named)
    sampling.check()
    as_given(given)
    paths = ready_paths()
    catalog = open_catalog(paths)
    found = wanted_model(catalog, given.model)
    if found.makes_embeddings:  # said before it is loaded for nothing
        raise InvalidRequest(EMBEDS_ONLY, param="model")
    model = found.path
    find_draft(catalog, given)
    settings = with_memory(SettingsFile(paths.settings).current, given)
    options = asked_of(given, saved_options(settings, paths, model), model)
    try:
        return asyncio.run(_talk(paths, settings, model, options, given, sampling))
    except InvalidRequest as error:
        raise blamed(error, given, options, model) from error


def argument_parser() -> argparse.ArgumentParser:
    """What the command takes, with its help."""
    parser = CommandParser(prog="minerva chat", description="Chat in the terminal.")
    parser.add_argument(
        "model",
        nargs="?",
        type=model_name,
        help="a library model or a GGUF file (default: the built-in one)",
    )
    parser.add_argument(
        "--model",
        dest="named",
        type=model_name,
        metavar="MODEL",
        help="the same, as serve takes it",
    )
    parser.add_argument("--prompt", type=prompt, metavar="TEXT", help="answer this and exit")
    parser.add_argument(
        "--max-tokens",
        type=token_limit,
        metavar="N",
        help="end an answer after so many (-1: when the model ends, or the context is full)",
    )
    parser.add_argument(
        "--seed", type=whole_number, metavar="S", help="same seed and prompt: same answer"
    )
    parser.add_argument(
        "--temperature", type=number, metavar="T", help="0 takes the likeliest token"
    )
    add_memory_arguments(parser, force="load the model")
    add_load_arguments(
        parser,
        named="of the model",
        unsaid="What is not given is as the settings say of the model.",
        is_alone=True,
    )
    return parser


async def _talk(
    paths: AppPaths,
    settings: Settings,
    model: Path,
    options: LoadOptions,
    given: argparse.Namespace,
    sampling: SamplingParameters,
) -> int:
    runtime = Runtime(
        open_catalog(paths),
        options,
        memory_bytes=memory_bytes(settings),
        gpu_bytes=gpu_bytes(settings),
        measured=MeasuredMemory(paths.measured_memory),
        on_event=LoadProgress(),
    )
    runtime.keeps_spare = False  # nothing else will be loaded
    header, stretch = read_header(model), stretch_of(options.rope)
    talk = TerminalChat(
        lambda: named_model(runtime, model, forced=given.force),
        sampling,
        longest=stretch.reach(header),
        trained=training(header, stretch),
    )
    try:
        if given.prompt is None:
            return await talk.converse()
        return await talk.answer_once(given.prompt)
    finally:
        await runtime.close()
