"""The speed of the answer that is shown."""

from __future__ import annotations

from minerva_desktop.ui.live_speed import LiveSpeed
from tests.ui.chat_view.messages import DONE, answer, ended, streaming


def test_an_answer_that_comes_back_into_sight_is_measured_anew() -> None:
    shown: list[tuple[float | None, float | None]] = []
    now = 0.0
    speed = LiveSpeed(lambda *numbers: shown.append(numbers), lambda: now)

    def stream(seconds: int) -> None:
        nonlocal now
        for _ in range(4 * seconds):
            speed.count(5)
            now += 0.25

    stream(3)
    now += 100.0  # in which another chat was looked at
    speed.show_last([streaming()])
    stream(2)
    assert shown == [*[(20.0, None)] * 5, (None, None), *[(20.0, None)] * 3]


def test_the_speed_of_one_answer_is_not_shown_for_the_next() -> None:
    shown: list[tuple[float | None, float | None]] = []
    speed = LiveSpeed(lambda *numbers: shown.append(numbers))
    speed.show_last([ended(answer("Hi"), "Hi")])
    speed.begin()
    assert shown[1:] == [(None, None)]


def test_the_last_answer_tells_its_own_numbers() -> None:
    shown: list[tuple[float | None, float | None]] = []
    speed = LiveSpeed(lambda *numbers: shown.append(numbers))
    speed.show_last([ended(answer("Hi"), "Hi")])
    speed.show_last([])
    assert shown == [(DONE.timings.tokens_per_second, 120.4), (None, None)]
