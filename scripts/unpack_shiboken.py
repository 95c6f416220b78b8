"""Unpacks the Python half of PySide's bindings, so that it is compiled once and not at each start.

Shiboken carries 130 kB of Python sources in its library, and compiles them whenever a process
imports Qt: 20 to 30 ms of a start (measured, PySide 6.11.3). Its switch SBK_EMBED has it write them
into a folder beside itself, from which Python then imports them like all others, bytecode included:
https://doc.qt.io/qtforpython-6/developer/embed.html

One of them is left empty there: what writes type stubs for editors, which takes 25 ms to be
imported at each start, and which nothing calls.

Run by the Python of an environment that was just made. Where the folder cannot be written, all is
as it was.
"""

import compileall
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

FOLDER = "files.dir"  # Shiboken's own name for it
STUB_WRITER = Path("shibokensupport", "signature", "lib", "pyi_generator.py")


def unpack() -> int:
    """The exit status: 0, also where there is nothing to unpack."""
    found = importlib.util.find_spec("shiboken6")
    if found is None or found.origin is None:
        return 0
    folder = Path(found.origin).parent / FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # it may be of another version
    os.environ["SBK_EMBED"] = "0"
    importlib.import_module("shiboken6")
    if (writer := folder / STUB_WRITER).is_file():
        writer.write_text("# Left out: it writes stubs for editors. See unpack_shiboken.py.\n")
    # The sources change with the package alone, which is when this runs: nobody has to look
    # whether the bytecode is that of now.
    unchecked = PycInvalidationMode.UNCHECKED_HASH
    whole = compileall.compile_dir(
        folder, quiet=1, force=True, invalidation_mode=unchecked, stripdir=folder
    )
    return 0 if whole or not folder.is_dir() else 1


if __name__ == "__main__":
    sys.exit(unpack())
