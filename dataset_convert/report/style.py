"""What the data report adds to the common style sheet."""

CSS = """
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem;
  margin: 1.25rem 0; }
.tiles div { display: flex; flex-direction: column-reverse; background: var(--panel);
  border: 1px solid var(--line); border-radius: 6px; padding: .6rem .9rem; }
.tiles dd { font-size: 1.5rem; line-height: 1.2; font-weight: 600; margin: 0;
  font-variant-numeric: tabular-nums; }
.tiles dt { font-size: .875rem; }
.synthetic { display: inline-block; border: 1px solid var(--orange); color: #a34700;
  border-radius: 3px; padding: 0 .35rem; font-size: .8125rem; line-height: 1.35;
  white-space: nowrap; }
h1 .synthetic { font-size: .9rem; vertical-align: .25rem; font-weight: 400; }
.warnings { border-left: 4px solid var(--orange); background: #fff8f2; padding: .75rem 1.25rem;
  margin: 1.25rem 0; }
.warnings h2 { border: 0; margin: 0; padding: 0; }
.warnings ol { margin: .5rem 0 0; padding-left: 1.4rem; }
.warnings li { margin: .6rem 0; max-width: 50rem; overflow-wrap: anywhere; }
.warnings strong { display: block; font-weight: 600; }
.quiet { border-left: 4px solid var(--blue); background: var(--panel); padding: .5rem 1.25rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; list-style: none; padding: 0;
  margin: 1rem 0; font-size: .9rem; }
nav a { color: var(--blue); }
h3 { margin-top: 1.5rem; font-size: 1rem; }
.grid h3 { margin-top: 0; }
.grid.halves { margin-top: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.column { fill: var(--blue); }
.column:hover { fill: var(--ink); }
.trials { fill: none; stroke: var(--blue); stroke-width: 1.6; vector-effect: non-scaling-stroke; }
.trial { fill: var(--blue); stroke: #fff; }
.trial.chosen { fill: var(--orange); }
.plot text.axis-name { fill: var(--ink); }
.plot text { font-variant-numeric: tabular-nums; }
.barred { display: flex; align-items: center; gap: .2rem .75rem; }
.barred span { flex: 0 0 auto; min-width: 3.4rem; white-space: nowrap; text-align: right; }
.barred .of { min-width: 6.8rem; }
.small-bar { flex: 1 1 5rem; width: 5rem; min-width: 3rem; max-width: 15rem; height: 9px; }
.wide th.bar, .wide td.bar { padding-left: .75rem; }
.wide { margin-top: 1rem; }
.small-bar .rest { fill: #eceff1; }
.small-bar .part { fill: var(--blue); }
.small-bar .part.influencer { fill: var(--orange); }
.wide table { width: 100%; }
.wide td.value:first-child { white-space: normal; }
.wide td.value bdi { display: inline-block; max-width: 16rem; overflow-wrap: break-word; }
.wide td.words { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
.words-list { columns: 11rem; list-style: none; padding: 0; margin: .75rem 0; font-size: .9rem; }
.words-list li { overflow-wrap: anywhere; break-inside: avoid; padding-right: .5rem; }
.told { font-size: .875rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  .wide table { font-size: .8125rem; }
  .wide th, .wide td { padding-right: .35rem; }
  .wide th.bar, .wide td.bar { padding-left: .35rem; }
  .wide td.value bdi { max-width: 9rem; }
  .barred { display: block; }
  .small-bar { display: block; width: 100%; max-width: none; height: 6px; margin-top: .2rem; }
}
@media print {
  nav { display: none; }
  .grid.halves { grid-template-columns: repeat(2, 1fr); }
  .warnings li, .tiles div { break-inside: avoid; }
}
"""
