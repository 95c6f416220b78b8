"""Builds llama.cpp's bindings with Vulkan on into a folder of their own, for the tests of GPUs.

    .venv/bin/python scripts/vulkan_bindings.py
    .venv/bin/python -m pytest -m slow tests/engine/test_gpu.py

Takes about ten minutes on two cores. Debian and Ubuntu (as root) get what it needs, with Mesa's
lavapipe, a Vulkan device in software, for machines without a GPU. The app itself does not use it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".vulkan"
PACKAGE = "llama-cpp-python"
APT_PACKAGES = ("mesa-vulkan-drivers", "libvulkan-dev", "glslc", "spirv-headers")
# Debian 12 has Vulkan's headers 1.3.239; llama.cpp wants three names of 1.3.272, all of them for
# the settings of a layer that only its developers turn on.
HEADER = """\
#pragma once
#include_next <vulkan/vulkan.hpp>
#if VK_HEADER_VERSION < 272
#include <vector>
namespace vk {
enum class LayerSettingTypeEXT : uint32_t { eBool32 = 0 };
struct LayerSettingEXT {
    const char *layer;
    const char *setting;
    LayerSettingTypeEXT type;
    uint32_t count;
    const void *values;
};
struct LayerSettingsCreateInfoEXT {
    uint32_t structure_type = 1000496000;
    const void *next = nullptr;
    uint32_t count;
    const LayerSettingEXT *settings;
    explicit LayerSettingsCreateInfoEXT(const std::vector<LayerSettingEXT> &all)
        : count(uint32_t(all.size())), settings(all.data()) {}
};
}
#endif
"""


def main() -> int:
    """Install what is missing, then build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="%(default)s")
    out = parser.parse_args().out.absolute()
    _install_packages()
    headers = out / "include"
    (headers / "vulkan").mkdir(parents=True, exist_ok=True)
    (headers / "vulkan" / "vulkan.hpp").write_text(HEADER, encoding="utf-8")
    _build(out / "site", headers)
    print(f"The bindings are in {out / 'site'}")
    return 0


def _install_packages() -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print(f"Not installed here, and needed: {' '.join(APT_PACKAGES)}", file=sys.stderr)
        return
    command = [apt, "install", "-y", "--no-install-recommends", *APT_PACKAGES]
    subprocess.run(command, check=True)


def _build(site: Path, headers: Path) -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        usual = tomllib.load(file)["tool"]["uv"]["config-settings-package"][PACKAGE]["cmake.args"]
    paths = [str(headers), *filter(None, [os.environ.get("CPATH")])]
    command = [
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "install",
        "--no-config",
        "--no-cache",
        "--reinstall",
        "--no-deps",
        f"--no-binary={PACKAGE}",
        f"--config-setting=cmake.args={usual};-DGGML_VULKAN=ON",
        f"--python={sys.executable}",
        f"--target={site}",
        f"{PACKAGE}=={version(PACKAGE)}",
    ]
    environment = os.environ | {"CPATH": os.pathsep.join(paths)}
    subprocess.run(command, check=True, env=environment, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
