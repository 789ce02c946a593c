"""How a page looks: on a phone and a wide screen, light and dark, and in print."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1d2125; --soft: #5b6570; --faint: #c9d0d6; --card: #f4f6f8;
  --link: #1f63a8; --warn: #fff4d6; --edge: #d9a400 }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e4e8eb; --soft: #9aa6b1; --faint: #414a53;
  --card: #1d2226; --link: #7ab5ec; --warn: #3a3013; --edge: #c79a1c } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 1rem 1rem 4rem }
h1 { font-size: 1.6rem; margin: .5rem 0; overflow-wrap: anywhere } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; overflow-wrap: anywhere }
h4 { font-size: .85rem; margin: .6rem 0 .2rem; color: var(--soft); overflow-wrap: anywhere }
p { margin: .4rem 0; overflow-wrap: anywhere } a { color: var(--link) }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; margin: .8rem 0 }
code, pre { font: .85rem/1.45 ui-monospace, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); padding: .6rem .7rem; margin: .3rem 0;
  border-radius: 6px; unicode-bidi: isolate }
.note, .notes { color: var(--soft); font-size: .9rem } .notes { padding-left: 1.2rem }
.warning { background: var(--warn); border-left: 4px solid var(--edge); padding: .5rem 1rem; margin: .8rem 0;
  overflow-wrap: anywhere }
.tag { font-size: .72rem; font-weight: normal; border: 1px solid var(--faint); border-radius: 9px; padding: 0 .45rem;
  white-space: nowrap } .tag.out { border-color: var(--edge); background: var(--warn) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .88rem; min-width: min(100%, 36rem) }
caption { text-align: left; color: var(--soft); padding: .3rem 0 }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--faint); text-align: left; vertical-align: top;
  overflow-wrap: break-word }
th { font-weight: 600 } thead th { color: var(--soft); vertical-align: bottom }
.numbers td { font-variant-numeric: tabular-nums } td span { display: block; color: var(--soft); font-size: .82rem }
td span.value { color: inherit; font-size: .9rem; white-space: nowrap } td span.difference { color: inherit;
  white-space: nowrap }
.where { display: block; font-weight: normal; font-size: .75rem }
.figures { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem } figure { margin: 0; max-width: 100% }
figcaption { font-size: .85rem; color: var(--soft); max-width: 30rem; margin-top: .3rem }
figcaption strong { color: var(--text) }
.picture svg { max-width: 100%; height: auto; display: block } .picture.wide svg { max-width: none }
.lineage path { fill: none; stroke: var(--soft) } .lineage rect { fill: var(--card); stroke: var(--faint) }
.lineage text { fill: currentColor; font: 13px system-ui, sans-serif }
.lineage text.small { fill: var(--soft); font-size: 11px }
.lineage .dataset rect { stroke: #2f9e6e } .lineage .model rect { stroke: #d9822b }
.lineage .eval rect { stroke: #3b82c4 }
details { border: 1px solid var(--faint); border-radius: 6px; padding: .4rem .8rem; margin: .5rem 0 }
summary { cursor: pointer; overflow-wrap: anywhere } .id { font-weight: 600 }
.side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(14rem, 100%), 1fr)); gap: .2rem 1rem }
.side > div { min-width: 0 } .score { font-size: .9rem }
@media (max-width: 40rem) {
  main { padding: .6rem .8rem 3rem }
  table, tbody, tr, th, td { display: block } thead { display: none } caption { display: block }
  tr { border-bottom: 1px solid var(--faint); padding: .5rem 0 } th, td { border: 0; padding: .1rem 0 }
  td { display: grid; grid-template-columns: 38% 1fr; gap: 0 .6rem } td::before { content: attr(data-label);
    color: var(--soft); font-size: .8rem; grid-row: 1 / span 9 } td > span { grid-column: 2; white-space: normal }
  td.empty { display: none }
}
@media print {
  :root { --back: #fff; --text: #000; --soft: #444; --faint: #bbb; --card: #fff } main { max-width: none; padding: 0 }
  nav { display: none } details::details-content { content-visibility: visible; display: block; height: auto }
  figure, tr, details { break-inside: avoid } h2, h3 { break-after: avoid } .scroll { overflow: visible }
  .picture.wide svg { max-width: 100% }
}
"""
