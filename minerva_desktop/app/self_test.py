"""`SelfTest`: does Minerva work on this machine? Each check in its turn, and what is here.

Nothing of the person's is changed, and no chat is read but by SQLite's own look at its pages. Runs
on an asyncio loop of its own process (`minerva selftest`), which the window starts as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from minerva_desktop import __version__
from minerva_desktop.app import self_checks
from minerva_desktop.app.self_checks import failed, ok, warning
from minerva_desktop.app.self_report import (
    Check,
    CheckState,
    Outcome,
    PrivateWords,
    SelfTestReport,
)
from minerva_desktop.app.third_parties import third_parties
from minerva_desktop.app.window_check import DrawnWindow, draw_window
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.messages import DevicesListed, ListDevices
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.engine.spare_question import NoAnswerError, ask
from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.paths import AppPaths, expanded, user_name
from minerva_desktop.units import format_bytes

QUESTION, EXPECTED = "What is the opposite of hot?", "cold"
N_CTX, MAX_TOKENS = 1024, 24
ENGINE_SECONDS = 60.0  # for the first start of an engine process
MODEL_SECONDS = 600.0  # for loading and answering: an emulated processor takes minutes
MODEL, WINDOW = "model", "window"


class SelfTestEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of ``minerva selftest --json-lines``: a check begins, it ended, or all is done."""

    begins: str | None = None
    check: Check | None = None
    report: SelfTestReport | None = None


class SelfTest:
    """Runs once. Hears of each check through ``on_event``, on its loop."""

    def __init__(
        self,
        paths: AppPaths | StoreError,
        resources: Path,
        embedded: Path | None,
        on_event: Callable[[SelfTestEvent], None],
        draw: Callable[[], Awaitable[DrawnWindow]] = draw_window,
    ) -> None:
        """``paths`` may be why there are none; what would be looked at in them is left out then.
        ``embedded`` is the model that comes with the app, ``draw`` draws the window."""
        self._paths = paths
        self._resources = resources
        self._embedded = embedded
        self._on_event = on_event
        self._draw = draw
        self._children = SpareChild()
        self._private = private_words(paths, resources)
        self._checks: list[Check] = []
        self._facts: dict[str, dict[str, str]] = {}

    async def run(self) -> SelfTestReport:
        """Make all checks; they fail in the report, not here. Cancelled, it ends its children."""
        self._facts["Versions"] = await asyncio.to_thread(self._read_versions)
        self._facts["Machine"] = await asyncio.to_thread(self_checks.machine_facts)
        paths = self._paths
        try:
            await self._blocking("resources", self_checks.check_resources, self._resources)
            await self._check_folders(paths)
            await self._make("engine", self._check_engine)
            await self._make(MODEL, self._check_model)
            await self._make(WINDOW, self._check_window)
        finally:
            await self._children.close()
        if not isinstance(paths, StoreError):
            self._facts["Folders"] = self_checks.folder_facts(paths, self._private)
        report = SelfTestReport(
            version=__version__,
            is_well=all(check.state is not CheckState.FAILED for check in self._checks),
            checks=tuple(self._checks),
            facts=self._private.hidden_facts(self._facts),
        )
        self._on_event(SelfTestEvent(report=report))
        return report

    async def _blocking(self, name: str, check: Callable[..., Outcome], *arguments: object) -> None:
        await self._make(name, lambda: asyncio.to_thread(check, *arguments))

    async def _make(self, name: str, check: Callable[[], Awaitable[Outcome]]) -> None:
        self._on_event(SelfTestEvent(begins=name))
        began = time.monotonic()
        try:
            outcome = await check()
        except MinervaError as error:
            outcome = failed(error.message)
        except Exception as error:  # noqa: BLE001 - a report must tell of what nobody foresaw
            outcome = failed(f"{type(error).__name__}: {error}")
        made = Check(
            name=name,
            state=outcome.state,
            words=self._private.hide(" ".join(outcome.words.split())),
            seconds=round(time.monotonic() - began, 3),
        )
        self._checks.append(made)
        self._on_event(SelfTestEvent(check=made))

    def _read_versions(self) -> dict[str, str]:
        try:
            parts = third_parties(self._resources / "licences")
        except StoreError:
            parts = ()  # which the check of the resources tells
        return self_checks.version_facts(parts)

    async def _check_folders(self, paths: AppPaths | StoreError) -> None:
        if isinstance(paths, StoreError):
            await self._blocking("folders", failed, paths.message)
            return
        await self._blocking("folders", self_checks.check_folders, paths)
        await self._blocking("disk", self_checks.check_disk, paths.data)
        await self._blocking("settings", self_checks.check_settings, paths)
        await self._blocking("chats", self_checks.check_chats, paths)

    async def _check_engine(self) -> Outcome:
        try:
            answer, child = await ask(self._children, ListDevices(), DevicesListed, ENGINE_SECONDS)
        except OSError as error:
            return failed(f"no engine process could be started: {error}")
        except NoAnswerError as failure:
            words = failure.last_words.strip().splitlines()
            return failed(f"the engine process {failure}: {words[-1] if words else 'no word'}")
        await child.close()  # one that has asked a GPU's driver keeps memory there
        build = answer.build
        self._facts["Versions"]["ggml"] = f"{build.ggml or '?'} ({build.commit or 'no commit'})"
        uses = self_checks.feature_list(build.features)
        self._facts["Machine"]["llama.cpp uses"] = uses or "unknown"
        self._facts["Devices"] = {device.name: _device_words(device) for device in answer.devices}
        if not answer.devices:
            return failed("llama.cpp finds nothing that it could compute on")
        gpus = [each.name for each in answer.devices if each.kind is not GpuDevice.CPU]
        return ok(f"ggml {build.ggml}, {', '.join(gpus) if gpus else 'on the processor alone'}")

    async def _check_model(self) -> Outcome:
        if self._embedded is None:
            return failed("the model that comes with Minerva is not there")
        engine = LlamaEngine(self._embedded, spare=self._children)
        try:
            async with asyncio.timeout(MODEL_SECONDS):
                return await self._ask_model(engine)
        except TimeoutError:
            return failed(f"no answer within {MODEL_SECONDS:.0f} s")
        finally:
            await engine.unload()

    async def _ask_model(self, engine: LlamaEngine) -> Outcome:
        began = time.monotonic()
        await engine.load(options=LoadOptions(n_ctx=N_CTX))
        loaded = time.monotonic() - began
        answers = []
        speed = 0.0
        for _ in range(2):  # the second goes on from what is kept of the first
            stream = engine.generate(
                (ChatTurn(Role.USER, QUESTION),),
                MAX_TOKENS,
                sampling=SamplingParameters(temperature=0.0),
            )
            answers.append((await stream.text()).strip())
            completion = await stream.wait_completion()
            speed = max(speed, completion.timings.tokens_per_second)
        first, second = answers
        if EXPECTED not in first:
            return failed(f"it loads, but answers “{QUESTION}” with “{first}”")
        if first != second:
            return failed(f"it answers one question in two ways: “{first}”, “{second}”")
        sentence = f"{first.partition('.')[0]}."
        words = f"loaded in {loaded:.1f} s, {speed:.0f} tokens/s, “{sentence}”"
        return ok(words) if speed >= 1.0 else warning(f"{words}: very slow")

    async def _check_window(self) -> Outcome:
        drawn = await self._draw()
        self._facts["Versions"]["Qt"] = f"{drawn.qt} (PySide6 {drawn.pyside})"
        self._facts["Machine"]["Window systems"] = ", ".join(drawn.platforms) or "none"
        if drawn.problem:
            return failed(drawn.problem)
        return ok(f"drawn, {drawn.width} × {drawn.height} px, {drawn.n_icons} icons")


def _device_words(device: DeviceInfo) -> str:
    name = device.description or device.kind
    if device.kind is GpuDevice.CPU:  # of whose memory ggml calls all free; the machine's is told
        return name
    free = format_bytes(device.free_memory)
    return f"{name}, {format_bytes(device.total_memory)}, {free} free"


def private_words(paths: AppPaths | StoreError, resources: Path) -> PrivateWords:
    """What this person's reports must not tell."""
    folders = {"APP": resources.parent}
    if not isinstance(paths, StoreError):
        folders = {"DATA": paths.data, "SETTINGS": paths.config, "LOGS": paths.logs, **folders}
    return PrivateWords(expanded("~"), user_name(), folders)
