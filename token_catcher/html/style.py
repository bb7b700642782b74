"""The style sheet, and what a Content-Security-Policy allows it by."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --page: #fff; --text: #1a1d21; --quiet: #565c65;
  --line: #d5d9de; --panel: #f5f6f8; --good: #0b6b3a; --warn: #7a4b00; --bad: #a3121b;
  --link: #0b5a8a; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --text: #e6e8eb; --quiet: #a3abb5; --line: #363c44; --panel: #1d2126;
    --good: #5fd08d; --warn: #f0b24a; --bad: #ff8a85; --link: #79c3f5; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem;
  color: var(--text); background: var(--page); }
h1 { font-size: 1.5rem; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h1, h2, p, li, dd { overflow-wrap: anywhere; }
a { color: var(--link); }
a:focus-visible, input:focus-visible, button:focus-visible, [tabindex]:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { position: static; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; }
nav a { display: inline-block; padding: .25rem 0; }
.quiet { color: var(--quiet); }
.notice { border: 1px solid var(--line); border-left: .4rem solid var(--good);
  background: var(--panel); padding: .5rem 1rem; margin: 1rem 0; }
.notice.warn { border-left-color: var(--warn); }
.notice.bad { border-left-color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--quiet); padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { overflow-wrap: normal; white-space: nowrap; }
th[scope=row] { font-weight: 600; }
figure { margin: 0; }
.stacked th:first-child { width: 25%; }
.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.word { font-weight: 600; white-space: nowrap; }
.stored, .verified, .ok, .unchanged { color: var(--good); }
.held, .unverified, .overdue, .never-seen, .warning { color: var(--warn); }
.refused, .missing, .unread, .failing { color: var(--bad); }
.deleted { color: var(--quiet); }
.bar { display: block; width: 100%; min-width: 5rem; max-width: 16rem; height: .5rem;
  margin-top: .3rem; }
.bar rect { fill: var(--line); }
.bar .part { fill: var(--good); }
.bar .overdue { fill: var(--warn); }
.shapes { position: absolute; width: 0; height: 0; }
.legend, .lanes { list-style: none; padding: 0; margin: .5rem 0; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
.legend svg { width: 1rem; height: 1rem; vertical-align: -.15rem; }
.lanes li { display: grid; grid-template-columns: minmax(0, 18rem) 1fr; gap: .75rem;
  align-items: center; border-bottom: 1px solid var(--line); }
.lanes svg { width: 100%; height: 1.75rem; overflow: visible; }
.lanes line { stroke: var(--line); }
.axis { display: flex; justify-content: space-between; margin-left: 18.75rem;
  color: var(--quiet); font-variant-numeric: tabular-nums; }
svg .stored, svg .unchanged { stroke: var(--good); }
svg .held, svg .unverified { stroke: var(--warn); }
svg .refused { stroke: var(--bad); }
svg .verified { stroke: var(--good); }
svg .stored, svg .verified { fill: var(--good); }
svg .held { fill: var(--warn); }
svg .unchanged, svg .unverified, svg .refused { fill: none; }
label, input, button { font: inherit; }
input { padding: .35rem; width: 100%; max-width: 24rem; box-sizing: border-box; }
button { padding: .35rem 1rem; margin-top: .75rem; }
.later { visibility: hidden; position: absolute; animation: 0s linear 300s forwards appear; }
@keyframes appear { to { visibility: visible; position: static; } }
@media (max-width: 40rem) {
  .lanes li { display: block; padding: .25rem 0; }
  .axis { margin-left: 0; }
  .stacked, .stacked caption, .stacked tbody, .stacked tr, .stacked th, .stacked td {
    display: block; }
  .stacked thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  .stacked tr { border-bottom: 2px solid var(--line); padding: .5rem 0; }
  .stacked th:first-child, .stacked td { width: auto; }
  .stacked th, .stacked td { border: 0; padding: .1rem 0; }
  .stacked td:empty { display: none; }
  .stacked td::before { content: attr(data-head) ": "; color: var(--quiet); }
}
@page { size: landscape; margin: 12mm; }
@media print {
  body { font-size: 9pt; max-width: none; padding: 0; }
  .skip, nav, .later { display: none; }
  thead { display: table-header-group; }
  tr, li { break-inside: avoid; }
}
"""

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
STYLE_SOURCE: Final = f"'sha256-{_DIGEST}'"
"""For `style-src`: this sheet, and no other."""
