"""Pictures of what Markdown can do in an answer. Used by `screenshot_states`. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, QUrl
from PySide6.QtWidgets import QApplication, QMessageBox, QScrollBar, QWidget

import screenshot_samples as samples
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.formulas import Formulas
from screenshot_stage import NARROW, Stage, State

FORMULAS = r"""## The Gaussian integral of $e^{-x^2}$

The area $I = \int_{-\infty}^{\infty} e^{-x^2}\,dx$ has no elementary antiderivative, but its square
is easy in polar coordinates, where $x^2 + y^2 = r^2$ and \(dx\,dy = r\,dr\,d\theta\):

$$
I^2 = \int_0^{2\pi}\!\!\int_0^{\infty} e^{-r^2}\, r\,dr\,d\theta = \pi
$$

So $I = \sqrt{\pi} \approx 1.772$, for $5 and $6 alike. With a fraction in a line,
\(\frac{a}{b}\), or **bold $x_1$** and `$not$` a formula.

1. The normal density is
   \[
   f(x) = \frac{1}{\sigma\sqrt{2\pi}} \exp\left(-\frac{(x-\mu)^2}{2\sigma^2}\right).
   \]
2. Its entropy is \(\tfrac{1}{2}\ln(2\pi e\sigma^2)\).

| Case | Value |
|:-----|------:|
| $n = 0$ | $\frac{\sqrt{\pi}}{2}$ |
| $n = 1$ | $\begin{pmatrix} a & b \\ c & d \end{pmatrix}$ |

> $$\begin{aligned} (a+b)^2 &= a^2 + 2ab + b^2 \\ &\ge 4ab \end{aligned}$$

Some models leave out the dollar signs:
\begin{align*}
\nabla \cdot \mathbf{E} &= \frac{\rho}{\varepsilon_0}, & \nabla \cdot \mathbf{B} &= 0
\end{align*}
and \begin{cases} 1 & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}.

This one has a command that nobody knows: $\foo{x}$. And one that is too wide for a narrow window:

$$
\sum_{k=0}^{n} \binom{n}{k} x^k y^{n-k} = (x+y)^n = \binom{n}{0}y^n + \binom{n}{1}xy^{n-1} + \cdots
+ \binom{n}{n-1}x^{n-1}y + \binom{n}{n}x^n \quad\text{for all } x, y \in \mathbb{R}
$$
"""

NOTES = """\
Sea water holds about 35 g of salt per litre[^1], *mostly* sodium chloride[^nacl]. The Baltic has \
a fifth of that[^1].

- [x] ~~boil it~~ evaporate it
- [ ] weigh what is left, see https://example.org/salt_1 or [the docs](https://docs.example.org)

[^1]: On average; it varies from 31 to 40 g.
[^nacl]: Table salt is the same, with an anti-caking agent:

    ```python
    salt = "NaCl"
    ```
"""

ALERTS = """\
Before you pour:

> [!NOTE]
> Green tea wants water of **70 °C**, black tea of 95 °C.

> [!TIP]
> Two spoons to the pot; see [the leaves](https://example.org).
>
> - Wait two minutes.
> - Then taste it.

> [!IMPORTANT]
> Rinse the pot first.

> [!WARNING]
> The handle gets hot.

> [!CAUTION]
> Never pour `boiling` water over a cold glass.

> A plain quote, for comparison.
"""


def _show(stage: Stage, text: str) -> list[Message]:
    """An answer, all of it rendered."""
    window = stage.window
    messages = [
        samples.message(Role.USER, "Explain it to me."),
        samples.message(Role.ASSISTANT, text),
    ]
    window.chat_view.set_messages(messages)
    settle(stage)
    window.chat_view.verticalScrollBar().setValue(0)
    return messages


def settle(stage: Stage) -> None:
    """Wait until all is rendered, formulas too."""
    view = stage.window.chat_view
    formulas = view.findChild(Formulas)
    while view.is_working() or (formulas is not None and formulas.is_working):
        QApplication.processEvents()


def formulas(stage: Stage) -> list[QWidget]:
    """Formulas in lines, on their own, in lists, tables and quotes."""
    _show(stage, FORMULAS)
    return []


def formulas_end(stage: Stage) -> list[QWidget]:
    """The same, seen at its end."""
    _show(stage, FORMULAS)
    bar = stage.window.chat_view.verticalScrollBar()
    bar.setValue(bar.maximum())
    return []


def formulas_narrow(stage: Stage) -> list[QWidget]:
    """The same end, 700 px wide."""
    stage.window.resize(NARROW, stage.window.height())
    return formulas_end(stage)


def formulas_wide(stage: Stage) -> list[QWidget]:
    """Formulas that are much wider than the column, on their own and in a line; the keyboard is at
    the first, which was scrolled."""
    stage.window.resize(NARROW, stage.window.height())
    terms = " + ".join(rf"\frac{{x^{{{n}}}}}{{{n}!}}" for n in range(1, 22))
    _show(stage, f"The series goes on:\n\n$$e^x = 1 + {terms}$$\n\nAs text: $1 + {terms}$, and on.")
    bars = stage.window.chat_view.findChildren(QScrollBar, "formulaBar")
    bars[0].setValue(200)
    bars[0].setFocus(Qt.FocusReason.TabFocusReason)
    return []


def formulas_coming(stage: Stage) -> list[QWidget]:
    """An answer in the middle of a formula."""
    window = stage.window
    window.chat_view.set_messages([samples.message(Role.USER, "Explain it to me.")])
    answer = samples.message(Role.ASSISTANT, "", MessageState.STREAMING)
    window.chat_view.append_message(answer)
    window.chat_view.append_text(answer.id, FORMULAS[: FORMULAS.index("r\\,dr\\,d")])
    settle(stage)
    return []


def footnotes(stage: Stage) -> list[QWidget]:
    """Footnotes, tasks and bare links."""
    _show(stage, NOTES)
    return []


def link_question(stage: Stage) -> list[QWidget]:
    """A link that is not what its text says was clicked."""
    messages = _show(
        stage, "Log in at [https://bank.com](https://bank.example.net/login?next=%2F)."
    )
    view = stage.window.chat_view.message_view(messages[1].id)
    if view is not None:
        view.body.anchorClicked.emit(QUrl("https://bank.example.net/login?next=%2F"))
    return [*stage.window.findChildren(QMessageBox)]


CODE = """\
The first box is as it always is, the second does not wrap, the pointer is in it:

```python
def find(numbers, wanted):
    return next((i for i, number in enumerate(numbers) if number == wanted), None)  # a long \
line, which is wrapped
```

1. In a list:

   ```sql
   SELECT chats.title, count(messages.id) AS n_messages, max(messages.created_at) AS last_message \
FROM chats JOIN messages ON messages.chat_id = chats.id WHERE chats.deleted_at IS NULL
   GROUP BY chats.id
   ORDER BY last_message DESC;
   ```

And text after it.
"""


def code_boxes(stage: Stage) -> list[QWidget]:
    """A box of code that wraps, and one that does not."""
    _show(stage, CODE)
    bars = stage.window.chat_view.findChildren(CodeBar)
    bars[1].wrap.click()
    settle(stage)
    bars[1].wake(True)
    return []


TASKS = """\
What is left to do:

1. [x] Buy salt, **all** of it
2. [ ] Boil the sea, which takes a while, for there is much of it and the fire is small, so that \
this goes on in another line
3. Weigh what is left
   - [x] on the scales
   - [ ] by hand

- [x] a bullet's
- [ ] and another

99. [ ] A late one
100. [x] and a later one

1. [ ] هذا سطر
2. [x] وهذا سطر آخر
"""


def tasks(stage: Stage) -> list[QWidget]:
    """Boxes to tick beside numbers and as bullets."""
    _show(stage, TASKS)
    return []


def alerts(stage: Stage) -> list[QWidget]:
    """All kinds of alerts, and a quote."""
    _show(stage, ALERTS)
    return []


def code_long(stage: Stage) -> list[QWidget]:
    """In the middle of long code, the header of which is out of sight; the pointer is in it."""
    lines = "\n".join(f"counts[{n}] = sum(each.size for each in found[{n}:])" for n in range(60))
    _show(stage, f"All of it:\n\n```python\n{lines}\n```\n\n" + "And text.\n\n" * 20)
    stage.window.chat_view.verticalScrollBar().setValue(400)
    (bar,) = stage.window.chat_view.findChildren(CodeBar)
    bar.wake(True)
    return []


STATES: dict[str, State] = {
    "tasks": tasks,
    "alerts": alerts,
    "code-long": code_long,
    "formulas": formulas,
    "formulas-end": formulas_end,
    "formulas-narrow": formulas_narrow,
    "formulas-wide": formulas_wide,
    "formulas-coming": formulas_coming,
    "footnotes": footnotes,
    "code-boxes": code_boxes,
    "link-question": link_question,
}
