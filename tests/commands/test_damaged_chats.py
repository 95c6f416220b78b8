"""Damage that a command meets in the middle of its work."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.parts import ImagePart
from minerva_desktop.errors import StoreError
from minerva_desktop.store.reading import ReadingStore
from tests.commands.conftest import Run
from tests.commands.test_chats import chat, stored


def test_an_export_goes_on_behind_damage(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The files that it wrote before it met the damage are its own."""
    chats = [chat("Tea", f"{n:02d}" * 16) for n in range(4)]
    for each in chats:  # each names an image that is not there
        image = ImagePart("gone.png", each.id * 2, 9, "image/png")
        question = each.active_branch()[0]
        each.replace(msgspec.structs.replace(question, parts=(*question.parts, image)))
    stored(*chats)
    load, n_loads = ReadingStore.load, 0

    async def third_is_damaged(store: ReadingStore, chat_id: str) -> Conversation:
        nonlocal n_loads
        n_loads += 1
        if n_loads == 3:
            raise StoreError("damaged", detail="CorruptError: malformed")
        return await load(store, chat_id)

    monkeypatch.setattr(ReadingStore, "load", third_is_damaged)
    code, out, error = run("export", "--all", "--format", "html", "-o", f"{tmp_path / 'out'}/")
    assert (code, error, n_loads) == (0, "", 5)
    assert out.startswith("exported 4 chats to ")
    assert out.endswith(" (4 files)\nleft out, for the store has it no more: 4 images\n")
    assert len(list((tmp_path / "out").iterdir())) == 4
