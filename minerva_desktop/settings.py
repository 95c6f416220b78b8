"""What the user chose, kept as one JSON file that can be read and edited by hand.

Used on the main thread. A file that cannot be read is set aside, never overwritten.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path

import msgspec

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import StoreError

DEFAULT_PORT = 8427

_log = logging.getLogger(__name__)


class ThemeChoice(StrEnum):
    """Which palette the window takes."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class ModelOverrides(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one model is loaded instead of as all others are; None leaves it to them. ``n_ctx`` in
    tokens; ``kv_type`` is f16, q8_0 or q4_0, ``flash_attention`` on or off."""

    n_ctx: int | None = None
    n_gpu_layers: int | None = None
    n_threads: int | None = None
    kv_type: str | None = None
    flash_attention: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. None means "automatic". ``n_ctx`` in tokens; geometry is Qt's, in base64.

    ``memory_gb``: what loaded models may take of the system's memory together, in units of 10^9
    bytes, and ``gpu_gb`` of that of GPUs, by name (see `app.memory_budgets.DeviceBudget`);
    ``snapshot_gb``: disk, in units of 10^9 bytes, for the states of long chats; 0 keeps none.
    ``server_network``: the local server lets other machines in, too.
    ``models``: the overrides of single models, by path.
    """

    theme: ThemeChoice = ThemeChoice.SYSTEM
    n_ctx: int | None = None
    n_gpu_layers: int | None = None
    n_threads: int | None = None
    memory_gb: int | None = None
    gpu_gb: dict[str, int] = {}
    snapshot_gb: int | None = None
    server_port: int = DEFAULT_PORT
    server_enabled: bool = False
    server_network: bool = False
    send_with_enter: bool = True
    sampling: SamplingParameters = SamplingParameters()
    system_prompt: str = ""
    model: str | None = None
    models: dict[str, ModelOverrides] = {}
    conversation_id: str | None = None
    window_geometry: str = ""
    sidebar_visible: bool = True
    parameters_visible: bool = False


class SettingsFile:
    """Loads and saves `Settings`; every save replaces the file atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set_aside: Path | None = None
        self.current = self._load()

    def save(self, settings: Settings) -> None:
        """Keep ``settings``. Raises `StoreError` when the file cannot be written."""
        self.current = settings
        body = msgspec.json.format(msgspec.json.encode(settings), indent=2)
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            temporary.write_bytes(body + b"\n")
            temporary.replace(self._path)
        except OSError as error:
            raise StoreError(f"Settings could not be saved to {self._path}: {error}") from error

    def override(self, path: Path, overrides: ModelOverrides) -> None:
        """Load the model at ``path`` so from now on. Raises `StoreError` as `save`."""
        models = {**self.current.models, str(path): overrides}
        if overrides == ModelOverrides():
            del models[str(path)]
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
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Settings)
        except FileNotFoundError:
            return Settings()
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("Settings in %s cannot be read: %s", self._path, error)
            self.set_aside = self._path.with_name(self._path.name + ".unreadable")
            try:
                self._path.replace(self.set_aside)
            except OSError:
                self.set_aside = None
            return Settings()
