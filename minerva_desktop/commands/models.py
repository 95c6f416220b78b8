"""``minerva models``: the library, and what a model would take. Main thread."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import msgspec
import psutil
from msgspec.structs import replace

from minerva_desktop.app.memory_budgets import gpu_bytes, memory_bytes
from minerva_desktop.app.model_commands import ModelCommands
from minerva_desktop.app.model_report import Appraisal, Measured
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.commands.folders import file_path, find_draft, open_catalog, ready_paths
from minerva_desktop.commands.load_arguments import add_load_arguments, as_given
from minerva_desktop.commands.memory_arguments import (
    add_memory_arguments,
    refusal,
    with_memory,
)
from minerva_desktop.commands.parser import CommandParser, model_name
from minerva_desktop.commands.saved_options import (
    asked_of,
    blamed,
    saved_fields,
    saved_options,
)
from minerva_desktop.devices.device_list import (
    DeviceList,
    discrete_gpus,
    system_kind,
    use_gpus,
)
from minerva_desktop.devices.driver import find_nvml
from minerva_desktop.devices.ledgers import CPU, cpu_ledgers
from minerva_desktop.devices.memory import MemoryProbe
from minerva_desktop.devices.system_memory import system_memory
from minerva_desktop.engine.device_query import list_devices
from minerva_desktop.engine.dry_run import try_load
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import ContextInfo, DevicesListed, ListDevices
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.spare_question import ask
from minerva_desktop.errors import InvalidRequest, OutOfMemory
from minerva_desktop.library.measured_memory import MeasuredMemory
from minerva_desktop.library.step_memory import first_output_bytes
from minerva_desktop.load_choice import LoadChooser
from minerva_desktop.logs import start_logging
from minerva_desktop.paths import AppPaths
from minerva_desktop.runtime import memory_budget
from minerva_desktop.settings import Settings, SettingsFile

EXIT_OK, EXIT_FAILED = 0, 1
N_TOKENS = 4  # that a loaded model computes to be measured
# Who warns that memory is only estimated: the report says so, and why.
_TOLD_OTHERWISE = ("minerva_desktop.engine.dry_run",)
ASK_SECONDS = 30.0  # for a dry run, which here is what was asked for


def models(arguments: list[str]) -> int:
    """Run the command; the exit code. Raises `MinervaError`."""
    parser = argument_parser()
    given = parser.parse_args(arguments)
    if given.force and not given.load:
        parser.error("argument --force: it goes with --load")
    start_logging(None, told_otherwise=_TOLD_OTHERWISE)
    paths = ready_paths()
    settings = with_memory(SettingsFile(paths.settings).current, given)
    appraiser = _Appraiser(settings, paths, given.force)
    catalog = open_catalog(paths)
    library = ModelCommands(catalog, as_json=given.json)
    match given.command:
        case "list":
            library.list_models()
        case "show":
            as_given(given)
            path = file_path(catalog, given.model)
            find_draft(catalog, given)
            saved = saved_options(settings, paths, path)
            options = asked_of(given, saved, path)
            try:
                appraisal = asyncio.run(appraiser.appraise(path, options, saved))
                measured = asyncio.run(appraiser.load(path, appraisal)) if given.load else None
            except InvalidRequest as error:
                raise blamed(error, given, options, path) from error
            library.show(path, appraisal, measured)
        case "add":
            return EXIT_OK if library.add(given.files) else EXIT_FAILED
        case "remove":
            library.remove(given.model)
        case "alias":
            library.alias(given.model, given.name, remove=given.remove)
    return EXIT_OK


def argument_parser() -> argparse.ArgumentParser:
    """What the command takes, with its help."""
    parser = CommandParser(prog="minerva models", description="The models you have.")
    parser.set_defaults(memory_gb=None, force=False)  # only `show` has them
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all models, and what is wrong with those that do not load")
    show = commands.add_parser(
        "show",
        help="what a model is, whether it loads, and the memory that it would take",
        description="What a model is, whether it loads with these options, and the memory that it"
        " would take. Without --load its weights are not read, and so not checked.",
    )
    show.add_argument("model", type=model_name, help="a library model or a GGUF file")
    show.add_argument("--load", action="store_true", help="load it, and say what it takes really")
    add_memory_arguments(show, force="with --load: load it")
    add_load_arguments(
        show,
        named="of the model",
        unsaid="What is not given is as the settings say of the model, as for chat and serve.",
    )
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
    return parser


class _Appraiser(msgspec.Struct, frozen=True):
    settings: Settings
    paths: AppPaths
    forced: bool  # load beyond the budget, too

    async def appraise(self, path: Path, options: LoadOptions, saved: LoadOptions) -> Appraisal:
        """The best way to load the model at ``path`` with ``options``, of which the settings have
        ``saved``, by what was measured and by a dry run. Raises what loading it would raise, as far
        as that is known without its weights."""
        spare = SpareChild()
        try:
            devices = await list_devices(spare)
            gpus, kind = discrete_gpus(devices), system_kind(devices)
            budget = memory_budget(memory_bytes(self.settings), system_memory(), kind)
            ledgers = cpu_ledgers(budget)
            use_gpus(ledgers, gpus, gpu_bytes(self.settings))
            room = ledgers.room()
            chooser = LoadChooser(spare, MeasuredMemory(self.paths.measured_memory), ASK_SECONDS)
            model, choice, chosen = await chooser.candidate(path, options, room, gpus)
            warnings = await try_load(spare, path, chosen, ASK_SECONDS)
            choice = replace(choice, warnings=(*choice.warnings, *warnings))
        finally:
            await spare.close()
        estimator = model.estimator()
        return Appraisal(
            model.header,
            choice,
            chosen,
            ledgers,
            largest_n_ctx=estimator.largest_n_ctx(choice.options, room),
            most_gpu_layers=estimator.most_gpu_layers(choice.options, room),
            later_bytes=estimator.later_bytes(choice.options),
            saved=saved_fields(options, saved),
        )

    async def load(self, path: Path, appraisal: Appraisal) -> Measured:
        """Load it so, and note what it took, by device. Raises `OutOfMemory` where the budget does
        not allow it.

        On a GPU it is what its driver tells of the child, or else llama.cpp's buffers. On the CPU
        it is what the child has grown by once it has computed some tokens, with what only a long
        prompt would fill: the compute buffers, as llama.cpp tells them, and the few per cent of
        `Estimator.later_bytes`.
        """
        if not self.forced:
            _check_fits(path, appraisal)
        spare = SpareChild()
        engine = LlamaEngine(path, spare=spare)
        try:
            # Once it has answered, all its libraries are there, and what a GPU's driver keeps in
            # the process that uses it: neither is the model's.
            _, child = await ask(spare, ListDevices(), DevicesListed, ASK_SECONDS)
            await spare.put_back(child)
            before = _resident(spare.pid)
            info = await engine.load(options=appraisal.options)
            await _compute_tokens(engine, info)
            grown = _resident(engine.pid) - before
            on_gpus = _on_gpus(engine.pid, info)
        finally:
            await engine.unload()
            await spare.close()
        chooser = LoadChooser(spare, MeasuredMemory(self.paths.measured_memory))
        gpus = discrete_gpus(info.devices)
        await chooser.note_load(path, appraisal.options, gpus, info)
        compute = info.compute_bytes - sum(share.compute_bytes for share in info.shares)
        filled = first_output_bytes(appraisal.header, appraisal.choice.options)
        later = max(compute - filled, 0) + appraisal.later_bytes
        return Measured({CPU: grown + later, **on_gpus}, info.warnings)


def _check_fits(path: Path, appraisal: Appraisal) -> None:
    ledgers, choice = appraisal.ledgers, appraisal.choice
    needs = {device.device: device.total_bytes for device in choice.estimate.devices}
    missing = ledgers.missing(needs)
    try:
        ledgers.allocate(needs)
    except OutOfMemory as error:
        system = system_memory()
        raise refusal(path, error, ledgers, missing, system, choice.reasons) from error


async def _compute_tokens(engine: LlamaEngine, info: ContextInfo) -> None:
    if info.capabilities.embeddings:
        await engine.embed(["a"])
    else:
        # Of several tokens, for a draft model has nothing to do before the second.
        greedy = SamplingParameters(temperature=0.0)
        await engine.generate("Once upon a time", N_TOKENS, sampling=greedy).text()


def _on_gpus(pid: int | None, info: ContextInfo) -> dict[str, int]:
    """Bytes of each GPU that holds some of the model, as `MemoryProbe` has them."""
    placed = {share.device: share.n_bytes for share in info.shares}
    with MemoryProbe(find_nvml()) as probe:
        read = probe.snapshot([] if pid is None else [pid], DeviceList(info.devices), placed)
    told = {gpu.device: gpu.used_by_models for gpu in read.gpus}
    return {gpu: max(n_bytes, told.get(gpu, 0)) for gpu, n_bytes in placed.items()}


def _resident(pid: int | None) -> int:
    return 0 if pid is None else int(psutil.Process(pid).memory_info().rss)
