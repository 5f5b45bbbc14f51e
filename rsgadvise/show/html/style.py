"""The style sheet: one palette for light and one for dark, and the layout.

Lines are from the colours of Okabe and Ito, which differ for every kind of colour vision, and also differ in
their dashes. Text has at least the contrast of WCAG AA, 4.5, and
lines that of graphics, 3; a test computes both from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "bg": "#ffffff",
    "panel": "#f4f6f8",
    "fg": "#1b1f24",
    "muted": "#545d68",
    "rule": "#d3d9e0",
    "link": "#0b57a8",
    "yes": "#00664a",
    "no": "#a33b00",
    "unknown": "#545d68",
    "first": "#0072b2",
    "second": "#d55e00",
    "third": "#00845f",
    "row": "#e7f1f8",
    "shade": "#9aa5b1",
}
DARK: Mapping[str, str] = {
    "bg": "#14181d",
    "panel": "#1d2329",
    "fg": "#e6e9ec",
    "muted": "#a7b0ba",
    "rule": "#3a434d",
    "link": "#7cc0f5",
    "yes": "#4ccfa3",
    "no": "#f5a05f",
    "unknown": "#a7b0ba",
    "first": "#56b4e9",
    "second": "#e69f00",
    "third": "#2bb98e",
    "row": "#20303c",
    "shade": "#7d8996",
}
_LAYOUT = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.page{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1,h2,h3,p,li,dd,dt,summary{overflow-wrap:anywhere}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.3rem;line-height:1.25;margin:2.75rem 0 .75rem;padding-top:.75rem;
border-top:1px solid var(--rule)}
h3{font-size:1.02rem;margin:1.5rem 0 .4rem}
p{margin:.5rem 0}
ul{margin:.4rem 0;padding-left:1.2rem}
li{margin:.25rem 0}
a{color:var(--link)}
.meta,.note{color:var(--muted);font-size:.9rem}
.lead{font-size:1.12rem;max-width:46rem;margin:1rem 0 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.2rem,1fr));gap:.6rem;margin:1.25rem 0 0}
.tiles div{background:var(--panel);border:1px solid var(--rule);border-radius:.5rem;padding:.6rem .75rem}
.tiles dt{color:var(--muted);font-size:.85rem}
.tiles dd{margin:0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}
.yes{color:var(--yes)}.no{color:var(--no)}.unknown{color:var(--unknown)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;padding:0;margin:1.25rem 0 0}
nav li{margin:0}
nav a{display:inline-block;padding:.2rem 0}
.scroll{--ground:var(--bg);overflow-x:auto;max-width:100%;margin:.5rem 0;
background:linear-gradient(90deg,var(--ground) 40%,transparent) 0 0/2.5rem 100% local,
linear-gradient(270deg,var(--ground) 40%,transparent) 100% 0/2.5rem 100% local,
linear-gradient(90deg,var(--shade),transparent) 0 0/.9rem 100% scroll,
linear-gradient(270deg,var(--shade),transparent) 100% 0/.9rem 100% scroll;
background-repeat:no-repeat;background-color:var(--ground)}
.scroll.code{--ground:var(--panel);border:1px solid var(--rule);border-radius:.5rem}
.word{white-space:nowrap}
.scroll:focus-visible,a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--rule);text-align:left;white-space:nowrap;
vertical-align:top}
thead th{border-bottom:2px solid var(--rule);font-weight:600}
tbody th{font-weight:400}
.n{text-align:right}
tr.best{background:var(--row)}
tr.best th,tr.best td{font-weight:600}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));gap:1.75rem 2rem}
figure{margin:0;min-width:0}
figure h3{margin:0}
figcaption{margin:0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;padding:0;margin:.35rem 0;font-size:.85rem}
.legend li{display:flex;gap:.4rem;align-items:baseline;margin:0}
.legend svg{flex:none;width:1.75rem;height:.8rem}
.chart{display:block;width:100%;height:auto;max-width:34rem}
.chart text{fill:var(--fg);font-size:11px;font-family:inherit}
.chart .name{fill:var(--muted)}
.grid{stroke:var(--rule);stroke-width:1}
.frame{stroke:var(--muted);stroke-width:1;fill:none}
.line{fill:none;stroke-width:2.25;stroke-linejoin:round}
.held{stroke:var(--first)}
.line.apart{stroke:var(--first);stroke-dasharray:2 3}
.line.best,.line.same_work,.line.same_work_held{stroke:var(--second);stroke-dasharray:7 3}
.certified{stroke:var(--third);stroke-dasharray:2 3}
.range{stroke:var(--second);stroke-width:1.75;stroke-dasharray:9 3 2 3}
.certified_range{stroke:var(--third);stroke-width:1.75;stroke-dasharray:9 3 2 3}
.largest_gradient{stroke:var(--muted);stroke-width:1.5;stroke-dasharray:1 3}
.constant{stroke:var(--muted);stroke-width:1.5;stroke-dasharray:1 3}
.band{fill:var(--second);opacity:.18}
.target{stroke:var(--fg);stroke-width:1.25;stroke-dasharray:5 4}
.dot{fill:var(--fg);stroke:var(--bg);stroke-width:1.5}
details{margin:.4rem 0}
summary{cursor:pointer;color:var(--link);font-size:.9rem;padding:.15rem 0}
.tall{max-height:22rem;overflow-y:auto}
.checks{list-style:none;padding:0;margin:.5rem 0;max-width:52rem}
.checks li{display:grid;grid-template-columns:1.4rem 1fr;gap:.1rem .6rem;padding:.55rem 0;margin:0;
border-bottom:1px solid var(--rule)}
.checks svg{width:1.25rem;height:1.25rem;margin-top:.15rem;fill:none;stroke:currentColor;stroke-width:2.5}
.checks p{margin:0}
pre{margin:.4rem 0;padding:.75rem;background:var(--panel);border:1px solid var(--rule);border-radius:.5rem;
font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.92em}
pre code{font:inherit}
pre.wrap{white-space:pre-wrap;overflow-wrap:anywhere}
.scroll pre{display:inline-block;min-width:100%;margin:0;background:none;border:0}
footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--rule);color:var(--muted);font-size:.9rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:30rem){
.page{padding:1rem .9rem 2rem}
h1{font-size:1.45rem}
.tiles{grid-template-columns:1fr 1fr}
.tiles dd{font-size:1.1rem}
.chart text{font-size:13px}
th,td{padding:.3rem .5rem}
}
"""

_PRINT = """
@media print{
body{font-size:10.5pt}
.page{max-width:none;padding:0}
nav,details{display:none}
.scroll,.tall{overflow:visible;max-height:none;background:none}
th,td{padding:.15rem .35rem}
table{font-size:.8rem}
pre,.scroll pre{white-space:pre-wrap;overflow-wrap:anywhere;display:block}
h2,h3{break-after:avoid}
figure,tr,.tiles,.checks li{break-inside:avoid}
.figures{grid-template-columns:1fr 1fr;gap:1rem}
}
"""


def _variables(palette: Mapping[str, str]) -> str:
    return ":root{" + ";".join(f"--{name}:{value}" for name, value in palette.items()) + "}"


def sheet() -> str:
    """The whole style sheet; paper is light whatever the screen is."""
    return (
        ":root{color-scheme:light dark}"
        + _variables(LIGHT)
        + f"@media screen and (prefers-color-scheme:dark){{{_variables(DARK)}}}"
        + (_LAYOUT + _PRINT).replace("\n", "")
    )
