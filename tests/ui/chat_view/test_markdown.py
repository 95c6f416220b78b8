"""Markdown becomes the rows that it should, and nothing in it does harm."""

from __future__ import annotations

import time

import pytest

from minerva_desktop.ui.chat_view.markdown import MAX_TABLE_CELLS, ROWS_LINK
from minerva_desktop.ui.chat_view.open_markup import close_markup
from minerva_desktop.ui.chat_view.rows import Kind, Mark, Row, Run
from tests.ui.chat_view.markdown_pieces import rendered


def texts(source: str) -> list[str]:
    return [row.text for row in rendered(source)]


def only(source: str) -> Row:
    (row,) = rendered(source)
    return row


def test_inline_styles() -> None:
    row = only("a **b *c*** ~~d~~ `e`")
    assert row.runs == (
        Run("a "),
        Run("b ", Mark.BOLD),
        Run("c", Mark.BOLD | Mark.ITALIC),
        Run(" "),
        Run("d", Mark.STRIKE),
        Run(" "),
        Run("e", Mark.CODE),
    )


def test_lists_number_and_nest() -> None:
    source = "3. three\n4. four\n   - nested\n     para\n\n   still four\n5. five"
    rows = rendered(source)
    assert [row.text for row in rows] == [
        "3. three",
        "4. four",
        "◦ nested\npara",
        "still four",
        "5. five",
    ]
    assert [row.nest for row in rows] == ["l", "l", "ll", "l", "l"]


def test_tasks() -> None:
    assert texts("- [ ] open\n- [x] done\n- [link](http://a.b)") == ["☐ open", "☑ done", "• link"]
    assert texts("2. [ ] open\n3. [X] *done*\n") == ["2. ☐ open", "3. ☑ done"]
    box = Run("☑ ", Mark.MUTED)  # in the colour of other signs
    assert only("1. [x] done").runs == (box, Run("done"))


def test_an_item_that_begins_with_code_keeps_its_number() -> None:
    rows = rendered("1. ```\n   x\n   ```")
    assert [(row.kind, row.text) for row in rows] == [(Kind.TEXT, "1. "), (Kind.CODE, "x")]


def test_a_quote_that_begins_an_item_has_its_sign_beside_it() -> None:
    rows = rendered("- > one\n  >\n  > two\n- > > [x] three\n\n100. > four\n\n9. > ```\n   > x")
    assert [(row.nest, row.text) for row in rows] == [
        ("lq", "• one"),
        ("lq", "two"),
        ("lqq", "• [x] three"),
        ("l", "100. "),  # for which there is no room
        ("lq", "four"),
        ("l", "101. "),
        ("lq", "x"),
    ]
    assert [row.text for row in rendered("- >\n\n  one")] == ["• one"]


def test_code_box() -> None:
    first, last = rendered("```py title\nx = 1\n\ty\n```")
    assert first.label == "Python"
    assert (first.first, first.last, last.first, last.last) == (True, False, False, True)
    assert first.raw + last.raw == "x = 1\n\ty\n"
    assert ("1", "Literal.Number.Integer") in [(run.text, run.token) for run in first.runs]
    assert only("```unheard-of\nx\n```").label == "unheard-of"


def test_table() -> None:
    header, row = rendered("| a | b | c |\n|:--|--:|:-:|\n| `1` | 2<br>3 |")
    assert header.first
    assert not row.first
    assert header.align == ("left", "right", "center")
    assert row.cells == ((Run("1", Mark.CODE),), (Run("2\u20283"),), ())


def test_links_to_the_web_and_to_mail_only() -> None:
    row = only("[a](https://x.org) <mailto:me@x.org> https://y.org/z_1.")
    assert [run.link for run in row.runs if run.link] == [
        "https://x.org",
        "mailto:me@x.org",
        "https://y.org/z_1",
    ]
    assert row.text.endswith("z_1.")


@pytest.mark.parametrize(
    ("source", "texts", "links"),
    [
        ("see https://a.b/c_(d), e", ["https://a.b/c_(d)"], ["https://a.b/c_(d)"]),
        ("(https://a.b/c).", ["https://a.b/c"], ["https://a.b/c"]),
        ("((https://a.b/c))", ["https://a.b/c"], ["https://a.b/c"]),
        ("www.a.org/b!", ["www.a.org/b"], ["https://www.a.org/b"]),
        ("mail me@a.org.", ["me@a.org"], ["mailto:me@a.org"]),
        ("HTTP://A.B/c", ["HTTP://A.B/c"], ["HTTP://A.B/c"]),
        ("www. and www.x and a@b and @me and x@@y.org", [], []),
        ("`www.a.org` http:// xhttps://a.b", [], []),
        (r"https://a.b/c\_d\_e?f&amp;g.", ["https://a.b/c_d_e?f&g"], ["https://a.b/c_d_e?f&g"]),
        (r"a\_b@c.org", ["a_b@c.org"], ["mailto:a_b@c.org"]),
    ],
)
def test_bare_addresses_are_links(source: str, texts: list[str], links: list[str]) -> None:
    runs = [run for run in only(source).runs if run.link]
    assert [run.text for run in runs] == texts
    assert [run.link for run in runs] == links


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "//host/share",
        "\\\\host\\share",
        "javascript:alert(1)",
        "data:text/html,x",
        "ms-settings:",
        "smb://host/x",
        "vscode://x",
        "relative.md",
        "#anchor",
        "HTTPS:nothing",
    ],
)
def test_other_addresses_stay_text(target: str) -> None:
    for source in (f"[x]({target})", f"<{target}>", f"[x]: {target}\n\n[x]", f"![x]({target})"):
        for row in rendered(source):
            assert not any(run.link for run in row.runs)
    assert texts(f"[x]({target})") == [f"[x]({target})".replace("\\\\", "\\")]


def test_images_become_text() -> None:
    assert only("![a *b* `c`\nd](https://x.org/e)").text == "[Image: a b c d]"
    row = only("![a cat](https://x.org/cat.png) and ![](https://x.org/no-alt.png)")
    assert row.text == "[Image: a cat] and [Image: https://x.org/no-alt.png]"
    assert row.runs[0].link == "https://x.org/cat.png"
    assert only("![x](/dev/zero)").text == "![x](/dev/zero)"


def test_html_stays_text() -> None:
    source = "<img src='/dev/zero'><script>x</script> <b>b</b>"
    assert only(source).text == source
    assert texts("<div>\n<p>x</p>\n</div>") == ["<div>\n<p>x</p>\n</div>"]


def test_control_characters_are_shown() -> None:
    assert only("a\u202eb\u2066c\x00\x1b[31m\ufdd0\ud800\u2029d").text == (
        "a[U+202E]b[U+2066]c\ufffd\ufffd[31m\ufffd\ufffd\nd"
    )


def test_what_is_nested_too_deep_is_shown_as_source() -> None:
    source = "> " * 500 + "deep"
    assert only(source).text == source
    assert only("- " * 500 + "deep").text == "- " * 500 + "deep"


def test_a_giant_table_is_folded_and_goes_on_as_text() -> None:
    source = "|a|b|\n|-|-|\n" + "|cell|other|\n" * MAX_TABLE_CELLS
    *table, fold = rendered(source)
    assert len(table) == MAX_TABLE_CELLS / 2
    assert {row.kind for row in table} == {Kind.TABLE}
    assert fold.text == "This table goes on. Show all rows"
    assert fold.runs[-1].link == ROWS_LINK
    rows = rendered(source + "\ntext", all_rows=True)
    assert len(rows) == MAX_TABLE_CELLS + 2
    assert sum(row.kind is Kind.TABLE for row in rows) == MAX_TABLE_CELLS / 2
    assert [row.text for row in rows[-2:]] == ["cell | other", "text"]
    wide = rendered("|a" * 300 + "|\n" + "|-" * 300 + "|\n" + "|b" * 300 + "|\n")
    assert [row.kind for row in wide] == [Kind.TEXT, Kind.TEXT]
    wide = rendered("|a" * 64 + "|\n" + "|-" * 64 + "|\n" + "|b" * 64 + "|\n")
    assert [row.kind for row in wide] == [Kind.TABLE, Kind.TABLE]


def test_many_brackets_are_quick() -> None:
    started = time.thread_time()
    assert only("[" * 4_000).text == "[" * 4_000
    assert only("![" * 2_000).text == "![" * 2_000
    assert time.thread_time() - started < 5.0


@pytest.mark.parametrize(
    ("written", "closed"),
    [
        ("**bold", "**bold**"),
        ("**bold ", "**bold**"),
        ("a **b *c", "a **b *c***"),
        ("**done** and", "**done** and"),
        ("`code", "`code`"),
        ("`code` ``", "`code` "),
        ("2 * 3", "2 * 3"),
        ("snake_case", "snake_case"),
        ("a **", "a "),
        ("[text](https://a", "text"),
        ("![alt](https://a", "alt"),
        ("[text", "[text"),
        ("\\*not", "\\*not"),
        ("`*` **x", "`*` **x**"),
    ],
)
def test_close_markup(written: str, closed: str) -> None:
    assert close_markup(written) == closed
