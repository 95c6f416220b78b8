"""Which preset the new chats of a model begin with. Main thread."""

from __future__ import annotations

from pathlib import Path

import msgspec

from minerva_desktop.app.services import Services
from minerva_desktop.chat.presets import Preset
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.paths import path_text
from minerva_desktop.settings import ModelOverrides, SettingsFile


def default_preset(services: Services, model: Path | None) -> Preset | None:
    """That of the model at ``model``, if it has one that is still there."""
    if model is None:
        return None
    own = services.settings.current.models.get(path_text(model), ModelOverrides())
    return None if own.preset is None else services.presets.current.preset(own.preset)


def new_chat_values(services: Services, model: Path | None) -> tuple[str, SamplingParameters]:
    """System prompt and sampling of a chat that begins with that model: what its preset says, else
    the defaults (those of the settings, which are changed by hand alone)."""
    settings = services.settings.current
    preset = default_preset(services, model)
    if preset is None:
        return settings.system_prompt, settings.sampling
    return preset.applied_to(settings.system_prompt, settings.sampling)


def follow_preset(settings: SettingsFile, old: str, new: str | None) -> tuple[str, ...]:
    """A preset has another name, or is gone: the models (as `path_text`) whose new chats began with
    it go by that. Raises `StoreError`."""
    models = settings.current.models
    found = tuple(path for path, own in models.items() if own.preset == old)
    set_presets(settings, found, new)
    return found


def set_presets(settings: SettingsFile, models: tuple[str, ...], preset: str | None) -> None:
    """Begin the new chats of all these models (as `path_text`) so. Raises `StoreError`."""
    if not models:
        return
    all_own = dict(settings.current.models)
    for path in models:
        own = msgspec.structs.replace(all_own.pop(path, ModelOverrides()), preset=preset)
        if own != ModelOverrides():
            all_own[path] = own
    settings.save(msgspec.structs.replace(settings.current, models=all_own))
