"""How `minerva serve` loads models: as the settings say and the command line says better. Main
thread."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from minerva_desktop.app.model_actions import load_options, own_options
from minerva_desktop.commands.load_arguments import as_given, for_all, named_as_given
from minerva_desktop.commands.saved_options import asked_of, blamed
from minerva_desktop.devices.device_list import DeviceList
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.split_check import check_split
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.paths import AppPaths
from minerva_desktop.settings import Settings


class ServedLoads:
    """The options of all models, and those of single ones."""

    def __init__(self, given: argparse.Namespace, settings: Settings, paths: AppPaths) -> None:
        """Raises `InvalidRequest` for what was given and does not go together. What the settings
        have of models that nobody may ask for is checked by their loads."""
        as_given(given)
        usual = load_options(settings, paths.snapshots)
        self._given = given
        self.options = for_all(given, usual)
        self.own: dict[Path, LoadOptions] = {
            path: for_all(given, options) for path, options in own_options(settings, usual).items()
        }

    def name(self, models: Sequence[Path]) -> None:
        """These were named: they get what was given for such. Raises `InvalidRequest`."""
        for path in models:
            self.own[path] = asked_of(self._given, self._of(path), path)

    def check_devices(self, found: DeviceList) -> None:
        """What no model could be loaded with is said now, not to each client. Raises
        `InvalidRequest`."""
        try:
            check_split(self.options, found.devices or ())
        except InvalidRequest as error:
            if found.devices is not None:  # else nobody knows
                raise named_as_given(error, self._given) from error

    def blamed(self, error: InvalidRequest, path: Path) -> InvalidRequest:
        """``error`` of the load of the model at ``path``: see `saved_options.blamed`."""
        return blamed(error, self._given, self._of(path), path)

    def _of(self, path: Path) -> LoadOptions:
        return self.own.get(path, self.options)
