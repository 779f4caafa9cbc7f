"""What a study's page adds to the common style sheet."""

CSS = """
.running { border-left: 4px solid var(--orange); padding-left: .75rem; }
.dot { fill: var(--blue); fill-opacity: .6; stroke: #fff; stroke-width: .5; }
.dot.stopped { fill: #fff; fill-opacity: 1; stroke: var(--blue); stroke-width: 1.4; }
.dot.winner { fill: var(--orange); fill-opacity: 1; stroke: #fff; stroke-width: 1; }
.none { fill: none; stroke: var(--soft); stroke-width: 1.5; }
.best { fill: none; stroke: var(--orange); stroke-width: 1.6; }
.median { stroke: var(--ink); stroke-width: 2; }
.path { fill: none; stroke-width: 1.2; stroke-opacity: .75; }
.path.winner { stroke: var(--orange); stroke-width: 2.8; stroke-opacity: 1; }
.best, .path { vector-effect: non-scaling-stroke; }
.dot:hover { fill: var(--ink); fill-opacity: 1; }
.path:hover { stroke: var(--ink); stroke-width: 3; stroke-opacity: 1; }
.reason { min-width: 12rem; overflow-wrap: anywhere; }
tr.winner td { background: #fff4ec; font-weight: 600; }
.bars { width: 100%; max-width: 48rem; }
.bars td.bar { width: 55%; vertical-align: middle; }
.bars svg { display: block; width: 100%; height: 12px; }
.bars td:first-child { overflow-wrap: anywhere; }
.bars rect { fill: var(--blue); }
@media (max-width: 40rem) {
  .bars td.bar { width: 35%; }
}
"""
