"""The real window, while other programs' requests run at its endpoint."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.served_request import GRACE_SECONDS
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import SettingsFile
from tests.patience import SECONDS
from tests.ui.parts import part
from tests.ui.served_window import click, half_a_request, serving, taken_port
from tests.ui.test_server_switch import free_port

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_another_port_is_listened_on_at_once_beside_the_requests_on_the_old_one(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        old_url, clients, port = desk.url, desk.ask(2), free_port()
        desk.enter("serverWindowPort", str(port))
        desk.opened.until("server", lambda: desk.url == f"http://127.0.0.1:{port}/v1")
        desk.until_said(
            f"The local server listens on port {port} now. 2 running requests on the old one have "
            "10 seconds to end."
        )
        assert all(client.is_served for client in clients)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{old_url}/models", timeout=SECONDS)
        assert httpx.get(f"{desk.url}/models", timeout=SECONDS).status_code == 200
        (third,) = desk.ask()
        clients[0].leave()
        desk.opened.until("end of one", lambda: any("Cancelled" in row for row in desk.rows))
        desk.press_notice("End them now")
        desk.opened.until("end", lambda: desk.opened.notice == "")
        desk.opened.until("end of the request", lambda: not clients[1].is_served)
        assert '"code":"endpoint_stopped"' in clients[1].text
        assert third.is_served
        third.leave()
        ends = ["Cancelled", "Cancelled", "Server stopped"]
        desk.opened.until(
            "rows", lambda: sorted(row.partition(",")[0] for row in desk.rows) == ends
        )


def test_a_change_that_cannot_be_made_breaks_nothing_off(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk, taken_port() as taken:
        url, (client,) = desk.url, desk.ask()
        port = url.rpartition(":")[2].removesuffix("/v1")
        desk.enter("serverWindowPort", str(taken))
        desk.until_refused(
            f"Not changed: Port {taken} is used by another program. The local server goes on as "
            "it was."
        )
        assert part(desk.window, QLineEdit, "serverWindowPort").text() == port
        desk.window.reach_chosen.emit(True)
        desk.until_refused(
            "Not changed: Listening on 0.0.0.0 lets other machines in, so it needs an API key. The "
            "local server goes on as it was."
        )
        assert client.is_served
        assert (desk.url, desk.opened.notice) == (url, "")
        assert httpx.get(f"{url}/models", timeout=SECONDS).status_code == 200
        kept = SettingsFile(app_paths().settings).current
        assert (str(kept.server_port), kept.server_network) == (port, False)


def test_what_is_advanced_counts_at_once_and_breaks_nothing_off(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        url, (client,) = desk.url, desk.ask()
        click(part(desk.window, QAbstractButton, "serverAdvanced"))
        page = {"Origin": "https://app.example"}
        assert httpx.get(f"{url}/models", headers=page, timeout=SECONDS).status_code == 403
        desk.enter("serverWaiting", "300")
        desk.enter("serverOrigins", "https://app.example")
        desk.opened.until(
            "rules",
            lambda: httpx.get(f"{url}/models", headers=page, timeout=SECONDS).status_code == 200,
        )
        assert (desk.url, desk.opened.notice) == (url, "")
        assert client.is_served


def test_what_is_off_stays_off_and_says_for_what_it_waits(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        with half_a_request(desk.url):
            click(desk.switch)
            assert desk.state == "Stopping…"
            desk.until_said("The local server stops once 1 running request has ended")
            desk.until_state("Stopping… 1 request still runs, for 10 seconds at most.")
            other = free_port()
            desk.enter("serverWindowPort", str(other))
            desk.press_notice("End them now")
            desk.opened.until("end", lambda: desk.state.startswith("Off."))
        assert desk.opened.notice == ""
        kept = SettingsFile(app_paths().settings).current
        assert (kept.server_enabled, kept.server_port) == (False, other)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{other}/health", timeout=SECONDS)


def test_the_same_port_and_the_switch_give_running_answers_a_grace(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        url, clients = desk.url, desk.ask(2)
        click(desk.switch)
        click(desk.switch)
        desk.until_said(
            "The local server restarts once 2 running requests have ended, in 10 seconds at most."
        )
        desk.until_state("Restarting… 2 requests still run, for 10 seconds at most.")
        assert desk.switch.isChecked()
        assert all(client.is_served for client in clients)
        clients[0].leave()
        desk.until_state("Restarting… 1 request still runs, for 10 seconds at most.")
        desk.press_notice("End them now")
        desk.opened.until("server", lambda: desk.state == f"On: {url}")
        assert desk.opened.notice == ""
        clients[1].leave()
        assert '"code":"endpoint_stopped"' in clients[1].text

        (client,) = desk.ask()
        click(desk.switch)
        desk.until_said("The local server stops once 1 running request has ended")
        desk.until_state("Stopping… 1 request still runs, for 10 seconds at most.")
        assert not desk.switch.isChecked()
        click(part(desk.window, QPushButton, "stopServerNow"))
        desk.opened.until("end", lambda: desk.state.startswith("Off."))
        assert desk.opened.notice == ""
        desk.let_go()

        click(desk.switch)
        desk.opened.until("server", lambda: desk.state.startswith("On: "))
        (client,) = desk.ask()
        click(desk.switch)
        desk.until_said("The local server stops")
        assert client.is_served
        closed = time.monotonic()
    assert time.monotonic() - closed < GRACE_SECONDS  # a window that closes waits for nobody
    assert '"code":"endpoint_stopped"' in client.text
