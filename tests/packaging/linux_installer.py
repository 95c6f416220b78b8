"""The installer for one user on Linux, around a stand-in for the app, and a home for it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import release_linux

LINUX = Path(__file__).resolve().parents[2] / "packaging" / "linux"
ENTRY = "applications/minerva-desktop.desktop"
MIME = "mime/packages/minerva-desktop.xml"
HERE = release_linux.Needs(platform.machine(), glibc_minor=17, kilobytes=1)


class Installer:
    """What the `.run` file unpacks, and a person's home that it installs into."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.data = home / ".local" / "share"
        self.app = home / ".local" / "lib" / "minerva-desktop"
        self.program = folder / "app" / "minerva-desktop"
        (folder / "app" / "_internal" / "llama_cpp" / "lib").mkdir(parents=True)
        home.mkdir()
        shutil.copy(LINUX / "install.sh", folder)
        for name, source in (
            (ENTRY, "minerva-desktop.desktop"),
            (MIME, "minerva-desktop.mime.xml"),
        ):
            (folder / "share" / name).parent.mkdir(parents=True)
            shutil.copy(LINUX / source, folder / "share" / name)
        self.program.write_text("#!/bin/sh\necho it runs\n")
        self.program.chmod(0o755)
        for name in ("libggml-base.so", "libggml-cpu-haswell.so"):
            (self.engine(folder / "app") / name).touch()

    @staticmethod
    def engine(app: Path) -> Path:
        return app / "_internal" / "llama_cpp" / "lib"

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = self.attempt(*arguments, **variables)
        done.check_returncode()
        return done

    def attempt(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        script = self.app if arguments and self.app.exists() else self.folder
        return self.start(script / "install.sh", *arguments, **variables)

    def start(
        self, script: Path, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(script), *arguments], env=self.environment(variables),
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **variables}

    def run_file(self, path: Path, needs: release_linux.Needs = HERE) -> Path:
        """Make the `.run` file that unpacks and runs this."""
        archive = path.with_suffix(".tar.gz")
        release_linux._pack(self.folder, archive)
        header = release_linux.header(path.name, self.folder.name, "1.2.3", needs, archive)
        path.write_bytes(header + archive.read_bytes())
        return path

    def left(self) -> set[str]:
        """Files, links and folders of the home."""
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*")}
