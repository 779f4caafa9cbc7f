"""The style sheet that all pages share."""

CSS = """
:root {
  color-scheme: light;
  --ink: #1f2933; --soft: #5b6770; --line: #d9dee3; --panel: #f6f8f9;
  --blue: #0072b2; --orange: #d55e00;
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: #fff;
  color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 48rem; }
.headline { font-size: 1.15rem; }
.soft, figcaption, .key { color: var(--soft); font-size: .875rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0;
  font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: .85em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: .75rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
figure { margin: 1rem 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: 1.5rem 1.75rem; }
.grid figure { margin: 0; min-width: 0; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .25rem 0 .5rem; padding: 0;
  list-style: none; }
.key svg { width: 22px; height: 14px; vertical-align: -2px; margin-right: .35rem; }
.plot { display: block; overflow: visible; width: calc(100% - 4.6rem); margin-left: 3.8rem; }
.plot.wide { width: calc(100% - 1.2rem); margin-left: .6rem; }
.plot text { font-size: 11.5px; fill: var(--soft); paint-order: stroke; stroke: #fff;
  stroke-width: 3px; stroke-linejoin: round; }
.plot text.name { font-size: 13px; font-weight: 600; fill: var(--ink); }
.plot .grid-line { stroke: #eceff1; }
.plot .axis { stroke: #9aa5ae; }
.plot .tick { stroke: #9aa5ae; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { vertical-align: bottom; }
.number { text-align: right; }
td.number, td.value { white-space: nowrap; }
@media (max-width: 40rem) {
  body { padding: 1.25rem 1rem 3rem; }
  h1 { font-size: 1.35rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .4rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; }
  h2, h3 { break-after: avoid; }
  figure, tr, pre, .key { break-inside: avoid; }
  .grid { grid-template-columns: repeat(2, 1fr); }
  .scroll { overflow: visible; }
  .scroll table { font-size: 8pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
