"""Exports of other apps in small, for tests of the import."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8) + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")


def chatgpt_chat(chat_id: str, question: str, *, pointer: str = "") -> dict[str, Any]:
    """A question, with an image if ``pointer`` names one, and an answer."""
    words: list[Any] = [question]
    if pointer:
        words.append({"content_type": "image_asset_pointer", "asset_pointer": pointer})
    asked = {"content_type": "multimodal_text", "parts": words}
    answered = {"content_type": "text", "parts": [f"About {question}"]}
    return {
        "conversation_id": chat_id,
        "title": f"Chat {chat_id}",
        "create_time": 1_700_000_000.0,
        "update_time": 1_700_000_900.0,
        "current_node": "a",
        "mapping": {
            "root": {"parent": None, "children": ["q"], "message": None},
            "q": {
                "parent": "root",
                "children": ["a"],
                "message": {"author": {"role": "user"}, "content": asked},
            },
            "a": {
                "parent": "q",
                "children": [],
                "message": {"author": {"role": "assistant"}, "content": answered},
            },
        },
    }


def chatgpt_grown(chat: dict[str, Any], *texts: str) -> dict[str, Any]:
    """``chat`` as a later export has it: with questions and answers by turns behind its end."""
    grown = json.loads(json.dumps(chat))
    for number, text in enumerate(texts):
        end, node = grown["current_node"], f"more-{number}"
        role = "assistant" if number % 2 else "user"
        content = {"content_type": "text", "parts": [text]}
        message = {"author": {"role": role}, "content": content, "create_time": 1_700_001_000.0}
        grown["mapping"][end]["children"].append(node)
        grown["mapping"][node] = {"parent": end, "children": [], "message": message}
        grown["current_node"] = node
    grown["update_time"] = 1_700_001_000.0
    return dict(grown)


def chatgpt_archive(path: Path) -> Path:
    """Three chats in numbered files, one with an image, beside files that hold no chats."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        first = [chatgpt_chat("1", "one", pointer="sediment://file_00ab"), chatgpt_chat("2", "two")]
        archive.writestr("conversations-000.json", json.dumps(first))
        archive.writestr("conversations-001.json", json.dumps([chatgpt_chat("3", "three")]))
        archive.writestr("user.json", '{"id": "user-x"}')
        archive.writestr("export_manifest.json", "[]")
        archive.writestr("images/file_00ab-sanitized.dat", PNG)
        archive.writestr("chat.html", "<html>")
    return path


def lm_studio_file(path: Path, question: str = "Hello", files: tuple[str, ...] = ()) -> Path:
    content: list[dict[str, str]] = [{"type": "text", "text": question}]
    content += [{"type": "file", "fileIdentifier": name, "fileType": "image"} for name in files]
    version = {"type": "singleStep", "role": "user", "content": content}
    chat = {
        "name": f"About {question}",
        "createdAt": 1_700_000_000_000,
        "messages": [{"versions": [version], "currentlySelected": 0}],
    }
    path.write_text(json.dumps(chat))
    return path


def lm_studio_talk(path: Path, *texts: str) -> Path:
    """A file of LM Studio's with questions and answers by turns."""

    def version(number: int, text: str) -> dict[str, Any]:
        content = [{"type": "text", "text": text}]
        if number % 2 == 0:
            return {"type": "singleStep", "role": "user", "content": content}
        steps = [{"type": "contentBlock", "content": content}]
        return {"type": "multiStep", "role": "assistant", "steps": steps}

    places = [{"versions": [version(*each)], "currentlySelected": 0} for each in enumerate(texts)]
    path.write_text(
        json.dumps({"name": "Trip", "createdAt": 1_700_000_000_000, "messages": places})
    )
    return path
