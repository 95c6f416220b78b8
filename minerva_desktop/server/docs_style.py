"""The style sheet of ``/docs``: the window's colours, light or dark as the browser wants it."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --side: #f5f5f4; --line: #dddcd8; --text: #1c1b1a; --muted: #63605b;
  --accent: #3543c6; --code: #f6f6f4; --get: #1f7a3d; --post: #4350d6; --badge: #ffffff;
  --good: #1f7a3d; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #1b1b1d; --side: #151517; --line: #38383d; --text: #ececee; --muted: #a3a3ab;
    --accent: #a0a9ff; --code: #232326; --get: #6fcf8e; --post: #7c88ff; --badge: #101018;
    --good: #6fcf8e; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 16px; }
body {
  margin: 0; display: grid; grid-template-columns: 264px minmax(0, 1fr);
  background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
nav {
  position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 28px 20px;
  background: var(--side); border-right: 1px solid var(--line);
}
nav b { display: block; margin: 20px 8px 4px; font-size: 12px; color: var(--muted); }
nav a {
  display: block; padding: 4px 8px; border-radius: 6px; color: var(--text);
  text-decoration: none; font-size: 13px; overflow-wrap: anywhere;
}
nav a:hover, nav a:focus-visible { background: var(--line); }
nav .name { padding: 0 8px; font-size: 16px; font-weight: 650; }
main { width: 100%; max-width: 960px; padding: 40px 48px 96px; }
h1 { margin: 0 0 4px; font-size: 28px; line-height: 1.25; letter-spacing: -0.01em; }
h2 { margin: 40px 0 0; padding-top: 8px; font-size: 20px; }
h3 { margin: 0; font-size: 15px; font-weight: 600; }
p { margin: 8px 0; }
.lead { margin-top: 0; color: var(--muted); font-size: 16px; }
.facts { display: flex; flex-wrap: wrap; gap: 8px; margin: 20px 0 28px; }
.facts span {
  padding: 4px 12px; border: 1px solid var(--line); border-radius: 999px; font-size: 13px;
}
article {
  margin-top: 20px; padding: 20px 24px; border: 1px solid var(--line); border-radius: 12px;
}
article:target { border-color: var(--accent); }
.route { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 12px; }
.route code { font-size: 15px; background: none; padding: 0; overflow-wrap: anywhere; }
.method {
  padding: 2px 8px; border-radius: 6px; background: var(--get); color: var(--badge);
  font: 600 12px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
}
.method.post { background: var(--post); }
.summary { font-weight: 600; }
.muted { color: var(--muted); }
code, pre { font: 13px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { padding: 1px 5px; border-radius: 5px; background: var(--code); overflow-wrap: anywhere; }
pre {
  margin: 8px 0 0; padding: 12px 16px; overflow-x: auto; border-radius: 8px;
  background: var(--code); tab-size: 4;
}
pre code { padding: 0; background: none; overflow-wrap: normal; }
.samples { margin-top: 12px; }
.samples > div { margin-top: 12px; }
.samples span {
  display: block; margin-bottom: -4px; font-size: 12px; font-weight: 600; color: var(--muted);
}
details { margin-top: 12px; }
summary { cursor: pointer; font-weight: 600; font-size: 13px; padding: 4px 0; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 13px; }
th { text-align: left; font-weight: 600; color: var(--muted); }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
main a { color: var(--accent); }
.good { color: var(--good); }
.bad { color: var(--bad); }
@media (max-width: 820px) {
  body { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
  main { padding: 28px 20px 64px; }
  article { padding: 16px; }
}
"""
