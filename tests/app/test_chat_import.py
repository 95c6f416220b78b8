from __future__ import annotations

import json
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minerva_desktop.app import chat_sources
from minerva_desktop.app.chat_import import CHANGED, ChatImport, ImportProgress, ImportReport
from minerva_desktop.chat.conversation import Conversation, Folder
from minerva_desktop.chat.export_json import chats_to_json
from minerva_desktop.chat.import_chats import ChatFormat
from minerva_desktop.chat.import_values import digest_of
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.chat.parts import ImagePart
from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from tests.app.chat_exports import (
    PNG,
    chatgpt_archive,
    chatgpt_chat,
    chatgpt_grown,
    lm_studio_file,
    lm_studio_talk,
)
from tests.chat.samples import make_conversation


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ChatStore]:
    store = await ChatStore.open(tmp_path / "chats.sqlite3")
    yield store
    await store.close()


async def take(store: ChatStore, *paths: Path) -> ImportReport:
    return await ChatImport(store).run(paths)


async def titles(store: ChatStore) -> list[str]:
    return sorted(chat.title for chat in await store.list_conversations())


async def test_chatgpts_archive(store: ChatStore, tmp_path: Path) -> None:
    archive = chatgpt_archive(tmp_path / "export.zip")
    report = await take(store, archive)
    assert (report.formats, report.problems) == ({ChatFormat.CHATGPT}, [])
    assert await titles(store) == ["Chat 1", "Chat 2", "Chat 3"]
    chats = [await store.load(each) for each in report.imported_ids]
    (image,) = chats[0].active_branch()[0].parts
    assert isinstance(image, ImagePart)
    assert await store.blob(image.digest) == PNG
    assert image.digest == digest_of(PNG)
    assert chats[2].updated_at == 1_700_000_900.0


async def test_how_far_an_import_is(store: ChatStore, tmp_path: Path) -> None:
    archive = chatgpt_archive(tmp_path / "export.zip")
    own = tmp_path / "own.json"
    own.write_bytes(chats_to_json([make_conversation("Hi"), make_conversation("Ho")], {}))
    with zipfile.ZipFile(archive) as unpacked:
        n_packed = sum(m.file_size for m in unpacked.infolist() if m.filename.endswith(".json"))
    of_bytes = n_packed + own.stat().st_size
    told: list[ImportProgress] = []
    await ChatImport(store, told.append).run([archive, own, tmp_path / "none.json"])
    assert told[0] == ImportProgress(0, 0, of_bytes)
    assert [each.n_chats for each in told] == [0, 1, 2, 3, 4, 5, 5]
    assert told[3].n_bytes <= n_packed
    assert told[4].n_bytes == round(n_packed + own.stat().st_size / 2)
    assert [each.n_bytes for each in told] == sorted(each.n_bytes for each in told)
    assert (told[-1].n_bytes, told[-1].percent) == (of_bytes, 100)


async def test_a_second_import_changes_nothing(store: ChatStore, tmp_path: Path) -> None:
    archive = chatgpt_archive(tmp_path / "export.zip")
    first = await take(store, archive)
    renamed = await store.load(first.imported_ids[0])
    renamed.title = "Mine"
    await store.save_details(renamed)
    await store.trash(first.imported_ids[1:2])
    again = await take(store, archive, archive)
    assert (again.imported_ids, again.n_present, again.n_in_trash) == ([], 6, 2)
    assert await titles(store) == ["Chat 3", "Mine"]


def exported(path: Path, *chats: dict[str, Any]) -> Path:
    path.write_text(json.dumps(chats))
    return path


async def test_a_later_export_brings_what_is_new(store: ChatStore, tmp_path: Path) -> None:
    one, two = chatgpt_chat("1", "one"), chatgpt_chat("2", "two")
    first = await take(store, exported(tmp_path / "may.json", one, two))
    grown = chatgpt_grown(one, "And then?", "Then that.")
    june = exported(tmp_path / "june.json", grown, two)
    report = await take(store, june)
    assert (report.imported_ids, report.grown_ids) == ([], first.imported_ids[:1])
    assert (report.n_present, report.problems) == (1, [])
    chat = await store.load(first.imported_ids[0])
    texts = [message.text for message in chat.active_branch()]
    assert texts == ["one", "About one", "And then?", "Then that."]
    assert chat.updated_at == 1_700_001_000.0
    await store.finish_index(lambda _: None)
    page = await store.search("then that", limit=5)
    assert [hit.conversation.id for hit in page.hits] == report.grown_ids
    again = await take(store, june)
    assert (again.grown_ids, again.n_present) == ([], 2)


async def test_a_later_export_of_a_chat_with_thoughts_in_its_text_brings_what_is_new(
    store: ChatStore, tmp_path: Path
) -> None:
    """It was refused as another chat: the store gives such an answer without its thought."""
    one, words = chatgpt_chat("1", "one"), ("Why?", "<think>Hm.</think>\n\nBecause.")
    may = exported(tmp_path / "may.json", chatgpt_grown(one, *words))
    (chat_id,) = (await take(store, may)).imported_ids
    again = await take(store, may)
    assert (again.n_present, again.problems) == (1, [])
    grown = chatgpt_grown(one, *words, "And then?")
    report = await take(store, exported(tmp_path / "june.json", grown))
    assert (report.grown_ids, report.problems) == ([chat_id], [])


async def test_a_later_export_tells_what_its_new_messages_lack(
    store: ChatStore, tmp_path: Path
) -> None:
    one = chatgpt_chat("1", "one")
    await take(store, exported(tmp_path / "may.json", one))
    grown = chatgpt_grown(one, "And this?")
    image = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_gone"}
    content = {"content_type": "multimodal_text", "parts": ["And this?", image]}
    grown["mapping"]["more-0"]["message"]["content"] = content
    june = exported(tmp_path / "june.json", grown)
    report = await take(store, june)
    assert (len(report.grown_ids), report.n_missing) == (1, 1)
    report = await take(store, june)
    assert (report.n_present, report.n_missing) == (1, 0)


async def test_a_later_export_leaves_alone_what_was_done_here(
    store: ChatStore, tmp_path: Path
) -> None:
    """What was deleted stays so, and the branch in which the chat went on stays shown."""
    one = chatgpt_chat("1", "one")
    (chat_id,) = (await take(store, exported(tmp_path / "may.json", one))).imported_ids
    chat = await store.load(chat_id)
    question, answer = chat.active_branch()
    removal = chat.remove(answer.id, with_replies=False)
    await store.remove_messages(chat, removal)
    own = chat.reply(Role.USER, "Mine", MessageState.COMPLETE, 1_700_000_950.0)
    chat.add(own)
    await store.add_message(chat_id, own)
    june = exported(tmp_path / "june.json", chatgpt_grown(one, "And then?"))
    assert (await take(store, june)).grown_ids == [chat_id]
    chat = await store.load(chat_id)
    assert [message.text for message in chat.active_branch()] == ["one", "Mine"]
    assert {message.text: message.parent_id for message in chat} == {
        "one": None,
        "Mine": question.id,
        "And then?": question.id,  # what it replied to is not there
    }
    assert (await take(store, june)).grown_ids == []


async def test_what_lm_studio_changed_is_not_mixed_with_what_is_here(
    store: ChatStore, tmp_path: Path
) -> None:
    """Its last exchange was deleted there and the chat went on: the answers to that would stand
    behind the questions that were asked before."""
    path = tmp_path / "1.conversation.json"
    first = ("Q", "A", "Rome?", "Rome is hot")
    (chat_id,) = (await take(store, lm_studio_talk(path, *first))).imported_ids
    lm_studio_talk(path, "Q", "A", "Oslo?", "Oslo is cold", "What to pack?", "A coat")
    report = await take(store, path)
    assert (report.grown_ids, report.n_present) == ([], 0)
    assert report.problems == [f"1.conversation.json, “Trip”: {CHANGED}"]
    report = await take(store, lm_studio_talk(path, "Q", "A", "Hot Rome?", "Rome is hot", "So?"))
    assert report.problems == [f"1.conversation.json, “Trip”: {CHANGED}"]
    chat = await store.load(chat_id)
    assert [message.text for message in chat] == list(first)
    lm_studio_talk(path, *first[:3], "Rome is hot, and dry", "What to pack?", "A hat")
    assert (await take(store, path)).grown_ids == [chat_id]
    chat = await store.load(chat_id)
    assert [each.text for each in chat.active_branch()] == [*first, "What to pack?", "A hat"]


async def test_an_unpacked_export_and_a_folder_of_lm_studios(
    store: ChatStore, tmp_path: Path
) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(chatgpt_archive(tmp_path / "export.zip")) as archive:
        archive.extractall(unpacked)
    folder = tmp_path / "conversations"
    (folder / "Work").mkdir(parents=True)
    lm_studio_file(folder / "1.conversation.json", "one")
    lm_studio_file(folder / "Work" / "2.conversation.json", "two")
    report = await take(store, unpacked / "conversations-000.json", folder)
    assert report.formats == {ChatFormat.CHATGPT, ChatFormat.LM_STUDIO}
    assert await titles(store) == ["About one", "About two", "Chat 1", "Chat 2"]
    assert (report.n_missing, report.problems) == (0, [])


async def test_attachments_of_lm_studio_and_nothing_else_that_lies_about(
    store: ChatStore, tmp_path: Path
) -> None:
    folder, files = tmp_path / "conversations" / "Work", tmp_path / "user-files"
    folder.mkdir(parents=True)
    files.mkdir()
    (files / "9 - 1.png").write_bytes(PNG)
    for secret in (folder / "secret.txt", folder.parent / "secret.txt", tmp_path / "secret.txt"):
        secret.write_text("secret")
    path = lm_studio_file(folder / "1.conversation.json", files=("9 - 1.png", "secret.txt"))
    report = await take(store, path)
    (message,) = (await store.load(report.imported_ids[0])).active_branch()
    assert [type(part) for part in message.parts] == [ImagePart]
    assert message.text == "[secret.txt: not in the export]\n\nHello"
    assert report.n_missing == 1
    (files / "secret.txt").write_text("no secret any more")
    report = await take(store, path)
    assert (report.n_present, report.problems) == (1, [])


async def test_our_own_export_with_its_folder(store: ChatStore, tmp_path: Path) -> None:
    original = make_conversation("a", "b", title="Kept")
    original.folder_id, original.tags, original.is_archived = "f9", ("tea",), True
    here = await store.create_folder("work")
    path = tmp_path / "mine.json"
    path.write_bytes(chats_to_json([original], {}, [Folder(id="f9", name=" Work")]))
    report = await take(store, path)
    assert report.imported_ids == [original.id]
    loaded = await store.load(original.id)
    assert loaded.folder_id == here.id
    original.folder_id = here.id
    assert loaded == original


async def test_a_folder_that_is_not_here_is_made_and_one_without_a_name_is_none(
    store: ChatStore, tmp_path: Path
) -> None:
    first, second = make_conversation("a"), make_conversation("b")
    first.folder_id, second.folder_id = "f1", "f2"
    path = tmp_path / "mine.json"
    first.title = "Turned \u202eround"
    folders = [Folder(id="f1", name="N\u202eew"), Folder(id="f2", name=" \u2066")]
    path.write_bytes(chats_to_json([first, second], {}, folders))
    await take(store, path)
    (made,) = await store.folders()
    assert made.name == "New"
    loaded = await store.load(first.id)
    assert (loaded.folder_id, loaded.title) == (made.id, "Turned round")
    assert (await store.load(second.id)).folder_id is None


async def test_each_problem_is_told_and_costs_no_more(store: ChatStore, tmp_path: Path) -> None:
    mixed = tmp_path / "conversations.json"
    mixed.write_text(json.dumps([chatgpt_chat("1", "one"), {"title": "T", "mapping": 1}]))
    cut = tmp_path / "cut.json"
    cut.write_text(mixed.read_text()[:50])
    other = tmp_path / "other.json"
    other.write_text('{"a": 1}')
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    empty = tmp_path / "empty"
    empty.mkdir()
    twice = make_conversation("a")
    await store.create(twice)
    stolen = make_conversation(title="Stolen")
    stolen.add(twice.active_branch()[0])
    edited = tmp_path / "edited.json"
    edited.write_bytes(chats_to_json([stolen], {}))
    report = await take(
        store, mixed, cut, other, picture, pipe, empty, tmp_path / "gone.json", edited
    )
    known = "Minerva's own (JSON), ChatGPT's (conversations.json or the .zip) and LM Studio's"
    assert report.problems[0] == ("conversations.json, chat 2 “T”: it has no messages (“mapping”)")
    assert report.problems[1].startswith("cut.json: it is no JSON, or only a part of it: Input")
    assert report.problems[2] == f"other.json holds no chats of a kind that is known: {known}"
    assert report.problems[3].startswith("picture.png: it is no JSON")
    assert report.problems[4] == f"{pipe} is neither a file nor a folder"
    assert report.problems[5] == f"empty holds no chats of a kind that is known: {known}"
    assert report.problems[6] == f"{tmp_path / 'gone.json'} cannot be read: it is not there"
    assert report.problems[7] == "edited.json, “Stolen”: a message of it is in another chat already"
    assert len(report.problems) == 8
    assert await titles(store) == ["", "Chat 1"]


async def test_archives_that_attack(
    store: ChatStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_sources, "RATIO_MATTERS", 100_000)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../conversations.json", b" " * 1_000_000)
        archive.writestr("good.json", json.dumps([chatgpt_chat("1", "one")]))
    broken = tmp_path / "broken.zip"
    whole = chatgpt_archive(tmp_path / "export.zip").read_bytes()
    broken.write_bytes(whole[:60] + b"\xff" * 40 + whole[100:])
    report = await take(store, bomb, broken)
    assert "would grow" in report.problems[0]
    assert "which no chats do" in report.problems[0]
    assert "conversations-000.json in broken.zip cannot be unpacked" in report.problems[1]
    assert await titles(store) == ["Chat 1", "Chat 3"]


async def test_files_beyond_the_bound(
    store: ChatStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minerva_desktop.app.chat_import.MAX_JSON_BYTES", 10)
    path = lm_studio_file(tmp_path / "1.conversation.json")
    archive = chatgpt_archive(tmp_path / "export.zip")
    report = await take(store, path, archive)
    assert report.problems[0] == f"{path} is larger than 10 bytes"
    assert report.problems[1] == "conversations-000.json in export.zip is larger than 10 bytes"


async def test_a_chat_that_cannot_be_read_here_costs_no_more(
    store: ChatStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (chatgpt_chat(number, number) for number in "123")
    first = await take(store, exported(tmp_path / "may.json", one, two))
    load = store.load

    async def first_is_damaged(chat_id: str) -> Conversation:
        if chat_id == first.imported_ids[0]:
            raise StoreError("its page is damaged", detail="CorruptError: malformed")
        return await load(chat_id)

    monkeypatch.setattr(store, "load", first_is_damaged)
    grown = (chatgpt_grown(one, "And then?"), chatgpt_grown(two, "And then?"))
    report = await take(store, exported(tmp_path / "june.json", *grown, three))
    assert (len(report.imported_ids), report.grown_ids) == (1, first.imported_ids[1:])
    problem = "june.json, “Chat 1”: it is here, but cannot be read: its page is damaged"
    assert report.problems == [problem]
    assert await titles(store) == ["Chat 1", "Chat 2", "Chat 3"]


async def test_an_empty_chat_is_no_problem(store: ChatStore, tmp_path: Path) -> None:
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([chatgpt_chat("1", "one"), {"title": "T", "mapping": {}}]))
    report = await take(store, file)
    assert (len(report.imported_ids), report.n_empty, report.problems) == (1, 1, [])
