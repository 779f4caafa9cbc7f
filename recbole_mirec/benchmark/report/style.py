"""What the benchmark's page adds to the style sheets of the data report."""

CSS = """
h3.part { font-size: 1.05rem; margin: 2.25rem 0 .5rem; }
.headline strong { font-weight: 600; }
.headline { max-width: 52rem; }
section > .scroll, section > div > .scroll { margin-top: .75rem; }
thead th { padding-right: .75rem; }
tr.main td, tr.main th { background: #fff4ec; }
td strong { font-weight: 700; }
.mark { color: var(--orange); font-weight: 600; display: inline-block; width: .55em;
  text-align: left; line-height: 0; }
.ends { color: var(--soft); font-size: .8125rem; }
.failed { color: #a34700; font-size: .8125rem; }
.notes { padding-left: 1.2rem; font-size: .875rem; color: var(--soft); max-width: 52rem; }
details { margin: .9rem 0; }
summary { cursor: pointer; color: var(--blue); font-size: .9rem; }
details[open] > summary { margin-bottom: .4rem; }
.plot.named { width: calc(100% - 9.4rem); margin-left: 9rem; }
.plot text.name-main { fill: var(--ink); font-weight: 600; }
.whisker { stroke-width: 2; stroke-linecap: round; }
.whisker.main, .mean.main { stroke: var(--orange); }
.whisker.other, .mean.other { stroke: var(--blue); }
.whisker.same, .mean.same { stroke: #7b8790; }
.mean.main { fill: var(--orange); }
.mean.other { fill: var(--blue); }
.mean.same { fill: #fff; stroke-width: 2; }
.line { stroke-width: 1.5; }
.line.chance { stroke: #9aa5ae; stroke-dasharray: 2 3; }
.line.untrained { stroke: var(--ink); stroke-dasharray: 6 3; }
.curve, .found, path.chance { fill: none; vector-effect: non-scaling-stroke; }
.curve { stroke: var(--blue); stroke-width: 1.1; stroke-opacity: .75; }
.curve.loss { stroke: #7b8790; }
.chosen { fill: var(--orange); stroke: #fff; }
.found { stroke-width: 1.7; }
.found.main { stroke-width: 3.4; }
.chance { stroke: #9aa5ae; stroke-width: 1.5; stroke-dasharray: 2 3; }
.heat { border-collapse: separate; border-spacing: 2px; }
.heat th, .heat td { border: 0; padding: .3rem .35rem; vertical-align: middle; }
.heat td { text-align: right; min-width: 2.9rem; border-radius: 2px; }
.heat tbody th { text-align: left; font-weight: 400; white-space: nowrap; padding-right: .6rem; }
.heat tr.main th { font-weight: 600; }
.heat thead th { vertical-align: bottom; }
.heat .upright span { writing-mode: vertical-rl; transform: rotate(180deg); font-weight: 400; }
.heat .upright { text-align: right; }
.network { display: block; width: 100%; min-width: 46rem; height: auto; }
.network .edge { stroke: #5b6770; stroke-opacity: .35; stroke-linecap: round; }
.network rect { stroke-width: 1.2; }
.network text { fill: var(--ink); text-anchor: middle; }
.network g:hover rect { stroke-width: 2.5; }
.atlas { display: block; width: 100%; max-width: 54rem; height: auto; margin: .5rem 0; }
.atlas path { fill: none; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.atlas .far { stroke-width: 3.2; stroke-opacity: .55; }
.atlas .rim { stroke: #fff; stroke-width: 10; }
.atlas .near { stroke-width: 7.5; }
.atlas .near:hover { stroke: var(--ink); }
.atlas text { font-size: 15px; font-weight: 600; fill: var(--ink); text-anchor: middle;
  paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round; }
.key .kind { fill: var(--soft); }
.case { margin: 1.75rem 0; }
.case h3 { font-size: 1.05rem; }
.cards { display: grid; gap: .75rem; margin-top: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
.card { border: 1px solid var(--line); border-top: 4px solid var(--soft); border-radius: 4px;
  padding: .6rem .8rem .7rem; font-size: .8125rem; min-width: 0; overflow-wrap: anywhere; }
.card.positive { border-top-color: var(--blue); }
.card.negative { border-top-color: #c3c9ce; }
.card.brand { background: var(--panel); columns: 15rem; column-gap: 1.75rem; margin-top: .75rem; }
.card.brand p { break-inside: avoid; }
.card h4 { margin: 0; font-size: .95rem; }
.card p { margin: .4rem 0 0; line-height: 1.4; }
.card .role { margin: 0 0 .15rem; color: var(--soft); font-size: .75rem; }
.card .soft { margin: 0; font-size: .8125rem; }
.card .of { display: block; color: var(--soft); font-size: .75rem; }
.card .topic { display: block; }
.shares { grid-template-columns: max-content 1fr; gap: .1rem .6rem; margin: .5rem 0;
  font-size: .8125rem; align-items: center; }
.shares dd { display: flex; align-items: center; gap: .5rem; margin: 0; }
.shares span { min-width: 3.2rem; text-align: right; font-variant-numeric: tabular-nums; }
.shares svg { flex: 1 1 3rem; width: 3rem; height: 10px; }
.adds { fill: var(--blue); }
.takes { fill: var(--orange); }
.zero { stroke: #9aa5ae; }
td.told { max-width: 26rem; }
@media (max-width: 40rem) {
  .atlas text { display: none; }
  section .scroll td:first-child, section .scroll th:first-child { position: sticky; left: 0;
    background: #fff; white-space: normal; max-width: 8rem; box-shadow: inset 0 -1px var(--line); }
  .atlas .far { stroke-width: 2; }
  .atlas .rim { stroke-width: 7; }
  .atlas .near { stroke-width: 5; }
  section .scroll tr.main :first-child { background: #fff4ec; }
  .plot.named { width: calc(100% - 8.4rem); margin-left: 8rem; }
}
@media print {
  .network { min-width: 0; }
  .card, .case h3 { break-inside: avoid; }
}
"""
