"""What the user chose, kept as one JSON file that can be read and edited by hand.

Used on the main thread. A value that is not understood costs itself alone, and a copy of the file
is kept; a file that cannot be read is set aside, never overwritten. What another version keeps in
it beside these settings stays there, and a file of a later format is not written at all.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from minerva_desktop.chat.limits import MAX_SECONDS
from minerva_desktop.chat.presets import MAX_NAME
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest, StoreError, os_reason
from minerva_desktop.load_limits import (
    MAX_GPU_LAYERS,
    MAX_N_CTX,
    MAX_ROPE_BASE,
    MAX_ROPE_SCALE,
    MAX_TEMPLATE,
    MAX_THREADS,
    MAX_YARN_BETA,
    MAX_YARN_FACTOR,
    MIN_N_CTX,
    MIN_ROPE_SCALE,
)
from minerva_desktop.paths import path_text, private_opener

FORMAT = 1  # counts up when an older app would misunderstand what a newer one writes
DEFAULT_PORT = 8427
DEFAULT_WAITING = 256  # requests, as `engine.queue_limit` has it
# Units of 10^9 bytes. With less not even the model that comes with the app can be used.
MIN_MEMORY_GB, MAX_GB = 0.25, 100_000
MAX_ADDRESS = 2_000  # characters
LOOPBACK, ANY_ADDRESS = "127.0.0.1", "0.0.0.0"
MAX_NAMES = 100  # of callers
MAX_REQUEST_SECONDS = int(MAX_SECONDS)
MAX_WAITING = 10_000
MAX_SHOWN = 40  # characters of a value that was not understood
TEXT_SIZES = (80, 90, 100, 110, 125, 150, 175, 200)  # percent, from which one chooses
USUAL_TEXT_SIZE = 100

_NCtx = Annotated[int, Meta(ge=MIN_N_CTX, le=MAX_N_CTX)]
_GpuLayers = Annotated[int, Meta(ge=0, le=MAX_GPU_LAYERS)]
_Threads = Annotated[int, Meta(ge=1, le=MAX_THREADS)]
_CallerNames = Annotated[
    tuple[Annotated[str, Meta(max_length=MAX_ADDRESS)], ...], Meta(max_length=MAX_NAMES)
]
_Gigabytes = Annotated[float, Meta(ge=0, le=MAX_GB)]

_log = logging.getLogger(__name__)


class ThemeChoice(StrEnum):
    """Which palette the window takes."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class ModelOverrides(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one model is loaded instead of as all others are; None leaves it to them. ``n_ctx`` in
    tokens; ``kv_type`` is f16, q8_0 or q4_0, ``flash_attention`` on or off; ``rope_scale`` is how
    many times as long a context may be, and what else begins so, or with ``yarn``, is as
    `engine.load_options.RopeOptions` has it;
    ``chat_template`` is Jinja, instead of the model's own. ``preset`` is the name of the one that
    the model's new chats begin with, which loading it has nothing to do with."""

    n_ctx: _NCtx | None = None
    n_gpu_layers: _GpuLayers | None = None
    n_threads: _Threads | None = None
    kv_type: Annotated[str, Meta(pattern="^(auto|f16|q8_0|q4_0)$")] | None = None
    flash_attention: Annotated[str, Meta(pattern="^(auto|on|off)$")] | None = None
    rope_scaling: Annotated[str, Meta(pattern="^(none|linear|yarn)$")] | None = None
    rope_scale: Annotated[float, Meta(ge=MIN_ROPE_SCALE, le=MAX_ROPE_SCALE)] | None = None
    rope_freq_base: Annotated[int, Meta(ge=1, le=MAX_ROPE_BASE)] | None = None
    yarn_orig_ctx: Annotated[int, Meta(ge=1, le=MAX_N_CTX)] | None = None
    yarn_ext_factor: Annotated[float, Meta(ge=0, le=MAX_YARN_FACTOR)] | None = None
    yarn_attn_factor: Annotated[float, Meta(ge=0, le=MAX_YARN_FACTOR)] | None = None
    yarn_beta_fast: Annotated[float, Meta(ge=0, le=MAX_YARN_BETA)] | None = None
    yarn_beta_slow: Annotated[float, Meta(ge=0, le=MAX_YARN_BETA)] | None = None
    chat_template: Annotated[str, Meta(max_length=MAX_TEMPLATE)] | None = None
    preset: Annotated[str, Meta(max_length=MAX_NAME)] | None = None


class UpdateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The check for a newer version. ``address``: where to ask, empty: where this build does;
    ``asked_at``: when it was last asked by itself, Unix time in seconds; ``told``: the version that
    the person was told of."""

    enabled: bool = False
    address: Annotated[str, Meta(max_length=MAX_ADDRESS)] = ""
    asked_at: float = 0.0
    told: Annotated[str, Meta(max_length=MAX_SHOWN)] = ""


class ChatSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a person set in a chat."""

    system_prompt: str = ""
    sampling: SamplingParameters = SamplingParameters()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. None means "automatic". ``n_ctx`` in tokens; geometry is Qt's, in base64.

    ``text_size``: percent of the usual size, of what one reads and writes.
    ``memory_gb``: what loaded models may take of the system's memory together, in units of 10^9
    bytes (`MIN_MEMORY_GB` at least), and ``gpu_gb`` of that of GPUs, by name (see
    `app.memory_budgets.DeviceBudget`); ``snapshot_gb``: disk, in units of 10^9 bytes, for the
    states of long chats; 0 keeps none.
    ``sampling`` and ``system_prompt``: what new chats begin with where no preset says otherwise.
    ``server_network``: the local server lets other machines in, too; ``server_origins`` are the web
    origins whose pages may call it, ``server_hosts`` names beside the machine's own by which it may
    be called. ``server_request_s``: the seconds that a request may take (None:
    as long as it takes); ``server_waiting``: requests that may wait for a model.
    ``closed_folders``: the ids of those whose chats the list does not show, and ``unread_chats``
    of those with an answer that nobody has seen.
    ``new_chat_draft``: what stands in the composer of a chat that has no messages yet, and
    ``new_chat_setup``: what was set in it; None: nothing.
    ``model``: the one chosen last, and ``models``: the overrides of single ones, by `path_text`.
    """

    theme: ThemeChoice = ThemeChoice.SYSTEM
    text_size: Annotated[int, Meta(ge=TEXT_SIZES[0], le=TEXT_SIZES[-1])] = USUAL_TEXT_SIZE
    n_ctx: _NCtx | None = None
    n_gpu_layers: _GpuLayers | None = None
    n_threads: _Threads | None = None
    memory_gb: Annotated[float, Meta(ge=MIN_MEMORY_GB, le=MAX_GB)] | None = None
    gpu_gb: dict[str, _Gigabytes] = {}
    snapshot_gb: _Gigabytes | None = None
    server_port: Annotated[int, Meta(ge=1, le=65535)] = DEFAULT_PORT
    server_enabled: bool = False
    server_network: bool = False
    server_origins: _CallerNames = ()
    server_hosts: _CallerNames = ()
    server_request_s: Annotated[int, Meta(ge=1, le=MAX_REQUEST_SECONDS)] | None = None
    server_waiting: Annotated[int, Meta(ge=1, le=MAX_WAITING)] = DEFAULT_WAITING
    send_with_enter: bool = True
    sampling: SamplingParameters = SamplingParameters()
    system_prompt: str = ""
    model: str | None = None
    models: dict[str, ModelOverrides] = {}
    conversation_id: str | None = None
    new_chat_draft: str = ""
    new_chat_setup: ChatSetup | None = None
    window_geometry: str = ""
    sidebar_visible: bool = True
    closed_folders: tuple[str, ...] = ()
    unread_chats: tuple[str, ...] = ()
    parameters_visible: bool = False
    updates: UpdateSettings = UpdateSettings()
    format: int = FORMAT

    @property
    def server_host(self) -> str:
        """The address at which the local server listens."""
        return ANY_ADDRESS if self.server_network else LOOPBACK


class SettingsFile:
    """Loads and saves `Settings`; every save replaces the file atomically.

    Attributes:
        current: the settings that hold.
        problem: what was not understood when the file was read, in a sentence or two; None: all
            was, or there is no file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_newer = False  # the file is of a later format, and stays as it is
        self.is_kept = True  # whether the file has what is set
        self._others: dict[str, Any] = {}  # what another version keeps in the file
        self.problem: str | None = None
        self.current = self._load()

    def save(self, settings: Settings) -> None:
        """Keep ``settings``; until the app ends where the file is a newer app's, as ``problem``
        says. Raises `StoreError` when the file cannot be written."""
        self.current, self.is_kept = settings, False
        if self._is_newer:
            return
        content = _joined(msgspec.to_builtins(settings, str_keys=True), self._others)
        body = msgspec.json.format(msgspec.json.encode(content), indent=2)
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            _write(temporary, body + b"\n")
            temporary.replace(self._path)
            self.is_kept = True
        except OSError as error:
            raise StoreError(
                f"Settings could not be saved to {self._path}: {os_reason(error)}"
            ) from error

    def override(self, path: Path, overrides: ModelOverrides) -> None:
        """Load the model at ``path`` so from now on. Raises `StoreError` as `save`."""
        models = {**self.current.models, path_text(path): overrides}
        if overrides == ModelOverrides():
            del models[path_text(path)]
        self.save(msgspec.structs.replace(self.current, models=models))

    def remember(self, **changes: object) -> None:
        """Keep what can be lost without harm; a file that cannot be written is only logged."""
        changed = msgspec.structs.replace(self.current, **changes)
        if changed == self.current:
            return
        try:
            self.save(changed)
        except StoreError as error:
            _log.warning("%s", error.message)

    def _load(self) -> Settings:
        content: bytes | None = None
        try:
            content = self._path.read_bytes()
            given = _read_object(content)
            settings, problems = _understood(given)
            self._others = _others(given, Settings)
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError, RecursionError) as error:
            self._tell(f"The settings could not be read: {_why_unread(error)}.", content)
            return Settings()
        if settings.format > FORMAT:
            self._is_newer, self.is_kept = True, False
            self.problem = (
                f"The settings were written by a newer Minerva (format {settings.format}, this one"
                f" knows up to {FORMAT}). What it knows of them holds, changes are kept until it is"
                f" closed, and {self._path} is left untouched: update the app."
            )
            _log.warning("%s", self.problem)
            return msgspec.structs.replace(settings, format=FORMAT)
        if problems:
            what = f"In the settings, this was not understood: {'; '.join(problems)}."
            self._tell(f"{what} The rest holds.", content)
        return settings

    def _tell(self, problem: str, content: bytes | None) -> None:
        """Say what is wrong, and keep the file as it was (None: that cannot be read): the next save
        replaces it."""
        aside = self._path.with_name(self._path.name + ".unreadable")
        try:
            if content is None:
                self._path.replace(aside)
            else:
                _write(aside, content)
        except OSError as error:
            where = f"The file as it was could not be kept: {os_reason(error)}."
        else:
            where = f"The file as it was is kept as {aside}."
        self.problem = f"{problem} {where}"
        _log.warning("%s", self.problem)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=private_opener) as file:
        file.write(content)


def _why_unread(error: Exception) -> str:
    match error:
        case OSError():
            return os_reason(error)
        case json.JSONDecodeError():
            return f"they are no JSON from line {error.lineno}, column {error.colno} on"
        case UnicodeEncodeError():
            return "there is half a character in them"
        case UnicodeDecodeError():
            return "they are no text in UTF-8"
        case RecursionError():
            return "they are nested too deep"
        case _:
            return str(error)


def _read_object(content: bytes) -> dict[str, Any]:
    """The JSON object in a file. Raises `ValueError` or `RecursionError` where it is none."""
    # Python's parser says the line and the column of a mistake, and takes numbers of any size,
    # which are then out of range. NaN is none.
    given = json.loads(content, parse_constant=str)
    if not isinstance(given, dict):
        raise ValueError("they are no JSON object")
    json.dumps(given, ensure_ascii=False).encode()  # half a character could not be saved again
    return given


def _understood(given: dict[str, Any]) -> tuple[Settings, list[str]]:
    """What a settings file says, and a phrase on each value in it that makes no sense."""
    problems: list[str] = []
    found = _taken(given, Settings, "", problems)
    settings = found if isinstance(found, Settings) else Settings()
    sampling, setup = _in_range(settings.sampling, problems), settings.new_chat_setup
    if setup is not None:
        own = _in_range(setup.sampling, problems)
        setup = msgspec.structs.replace(setup, sampling=own)
    settings = msgspec.structs.replace(settings, sampling=sampling, new_chat_setup=setup)
    return settings, problems


def _taken(given: object, kind: Any, name: str, problems: list[str]) -> object:
    """``given`` as a ``kind``, without the parts of it that are none of theirs; `msgspec.UNSET`
    where nothing is left."""
    try:
        return msgspec.convert(given, kind, str_keys=True)
    except msgspec.ValidationError as error:
        inner = _kinds_within(kind, given) if isinstance(given, dict) else {}
        if not isinstance(given, dict) or not inner:
            problems.append(f"{name} is {_shown(given)} ({_in_words(error)})")
            return msgspec.UNSET
    parts = {
        key: _taken(value, inner[key], f"{name}.{key}" if name else key, problems)
        for key, value in given.items()
        if key in inner
    }
    kept = {key: value for key, value in parts.items() if value is not msgspec.UNSET}
    return kept if get_origin(kind) is dict else kind(**kept)


def _kinds_within(kind: Any, given: Mapping[str, object]) -> dict[str, Any]:
    """Of which kind the parts of ``given`` have to be, by key; empty: it is no whole of parts."""
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    if get_origin(kind) is dict:
        _, value_kind = get_args(kind)
        return dict.fromkeys(given, value_kind)
    return {}


def _others(given: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """The parts of ``given`` that a ``kind`` has no place for, at any depth."""
    inner = _kinds_within(kind, given)
    left: dict[str, Any] = {}
    for key, value in given.items():
        if key not in inner:
            left[key] = value
        elif isinstance(value, dict) and _kinds_within(inner[key], {key: None}):
            deeper = _others(value, inner[key])
            if deeper:
                left[key] = deeper
    return left


def _joined(known: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """``known`` with ``others``, of which nothing takes its place."""
    joined = dict(known)
    for key, value in others.items():
        here = joined.get(key)
        if isinstance(here, dict) and isinstance(value, dict):
            joined[key] = _joined(here, value)
        else:
            joined.setdefault(key, value)
    return joined


def _in_range(sampling: SamplingParameters, problems: list[str]) -> SamplingParameters:
    """``sampling`` with the usual value instead of each that is out of its range."""
    while True:
        try:
            sampling.check()
        except InvalidRequest as error:
            name = str(error.param)
            problems.append(f"sampling: {error.message}")
            usual = getattr(SamplingParameters(), name)
            sampling = msgspec.structs.replace(sampling, **{name: usual})
        else:
            return sampling


def _in_words(error: msgspec.ValidationError) -> str:
    words = str(error).partition(" - at ")[0]
    for kind, name in (("int", "whole number"), ("float", "number"), ("str", "text")):
        words = words.replace(f"`{kind}", f"`{name}")
    return words[:1].lower() + words[1:].replace("`", "")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
