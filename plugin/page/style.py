"""The style sheet of the reports: one page, two schemes of colour, any width, paper. Constant.

Contrast of text to its background is at least 4.5:1 in both schemes (WCAG 2.2, 1.4.3).
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f4f6f8;--sheet:#fff;--ink:#18222d;--soft:#51606f;
--line:#d5dde5;--band:#f0f3f6;--good:#17713d;--good-bg:#e5f4ea;--warn:#8a5300;--warn-bg:#fdf1dc;
--bad:#b3201f;--bad-bg:#fdeae9;--note:#1f5fa8;--note-bg:#e8f0fa;--dim:#5d6875;--dim-bg:#eceff2}
@media (prefers-color-scheme:dark){:root{--page:#10161c;--sheet:#19212a;--ink:#e8edf2;
--soft:#a3b1bf;--line:#33404d;--band:#202a34;--good:#5fd08d;--good-bg:#15301f;--warn:#f0b550;
--warn-bg:#362811;--bad:#ff8a84;--bad-bg:#3a1a1a;--note:#82b6f5;--note-bg:#172a42;--dim:#a0acb8;
--dim-bg:#27313b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1184px;margin:0 auto;padding:0 16px}
header{padding-top:28px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 12px}
h3{font-size:1.05rem;margin:22px 0 8px}
h4{font-size:1rem;margin:0}
p{margin:0 0 8px}
a{color:var(--note)}
.soft{color:var(--soft)}
.verdict{display:flex;gap:14px;align-items:flex-start;border-radius:12px;padding:16px 18px;
margin:18px 0;border:1px solid;border-left-width:6px}
.verdict p{margin:0}
.verdict strong{display:block;font-size:1.2rem;line-height:1.3}
.verdict .icon{width:32px;height:32px;margin-top:2px}
.verdict.good{background:var(--good-bg);border-color:var(--good)}
.verdict.warn{background:var(--warn-bg);border-color:var(--warn)}
.verdict.bad{background:var(--bad-bg);border-color:var(--bad)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px;margin:0}
.facts div{background:var(--sheet);border:1px solid var(--line);border-radius:10px;
padding:10px 14px}
.facts dt{color:var(--soft);font-size:.82rem}
.facts dd{margin:0;font-size:1.1rem;font-weight:600;overflow-wrap:anywhere}
.facts dd small{display:block;font-weight:400;font-size:.82rem;color:var(--soft)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:18px 0}
section{background:var(--sheet);border:1px solid var(--line);border-radius:12px;padding:20px;
margin:0 0 18px}
.icon{flex:none;vertical-align:-4px}
.shape.good{fill:var(--good)}.shape.warn{fill:var(--warn)}.shape.bad{fill:var(--bad)}
.shape.note{fill:var(--note)}.shape.dim{fill:var(--dim)}
.sign{fill:none;stroke:var(--sheet);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.finding{border:1px solid var(--line);border-left:5px solid var(--dim);border-radius:8px;
padding:12px 14px;margin:0 0 12px;break-inside:avoid}
.finding.bad{border-left-color:var(--bad)}.finding.warn{border-left-color:var(--warn)}
.finding.note{border-left-color:var(--note)}
.finding .head{display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center;margin-bottom:6px}
.finding dl{margin:8px 0 0;display:grid;grid-template-columns:5.5rem 1fr;gap:4px 12px}
.finding dt{color:var(--soft)}
.finding dd{margin:0;overflow-wrap:anywhere}
.finding ul{margin:4px 0 0;padding-left:1.2rem}
.finding li{overflow-wrap:anywhere}
.tag{font-size:.78rem;border:1px solid currentColor;border-radius:99px;padding:0 9px;
white-space:nowrap}
.tag.good{color:var(--good)}.tag.warn{color:var(--warn)}.tag.bad{color:var(--bad)}
.tag.note{color:var(--note)}.tag.dim{color:var(--dim)}
code{font:0.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.picture{display:block;width:100%;height:auto;font-family:inherit}
.picture.narrow{display:none}
.picture text{fill:var(--ink)}
.picture text.soft{fill:var(--soft)}
.picture text.strong{font-weight:600}
.picture text.word.good{fill:var(--good)}.picture text.word.warn{fill:var(--warn)}
.picture text.word.bad{fill:var(--bad)}.picture text.word.dim{fill:var(--dim)}
.host{fill:var(--band);stroke:var(--line)}
.card{fill:var(--sheet);stroke:var(--line)}
.card.bad{stroke:var(--bad)}.card.warn{stroke:var(--warn)}
.bar.good{fill:var(--good)}.bar.warn{fill:var(--warn)}.bar.bad{fill:var(--bad)}
.bar.dim{fill:var(--dim)}
.link{fill:none;stroke-width:2.5}
.link.good{stroke:var(--good)}
.link.warn{stroke:var(--warn);stroke-dasharray:8 5}
.link.bad{stroke:var(--bad);stroke-dasharray:3 5}
.grid{stroke:var(--line);fill:none}
.now{stroke:var(--ink);stroke-width:2;fill:none}
.span{stroke-width:1.5}
.span.good{fill:var(--good)}
.span.warn{fill:var(--warn-bg);stroke:var(--warn)}
.span.bad{fill:var(--bad-bg);stroke:var(--bad)}
.hatch{stroke:var(--bad);stroke-width:1.6;fill:none}
.end{stroke:var(--bad);stroke-width:2.5;fill:none}
.more{fill:none;stroke:var(--sheet);stroke-width:2.5}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:14px 0 0;padding:0;
color:var(--soft);font-size:.88rem}
.steps{margin:0;padding-left:1.4rem}
.steps li{margin-bottom:10px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding-bottom:6px}
th,td{text-align:left;vertical-align:top;padding:7px 10px;border-bottom:1px solid var(--line);
overflow-wrap:break-word;min-width:5rem}
thead th{color:var(--soft);font-weight:600;border-bottom-width:2px}
tbody th{font-weight:600}
td.number{text-align:right;font-variant-numeric:tabular-nums}
summary{cursor:pointer;color:var(--note);padding:4px 0}
footer{color:var(--soft);font-size:.85rem;padding-bottom:28px}
@media screen and (max-width:760px){
.picture.wide{display:none}.picture.narrow{display:block}
section{padding:16px 15px;border-radius:10px}
h1{font-size:1.4rem}
.facts{grid-template-columns:repeat(2,1fr);gap:8px}
.facts div{padding:8px 10px}
.finding .head{flex-wrap:wrap}.finding h4{flex:0 1 calc(100% - 40px)}
.finding dl{grid-template-columns:1fr;gap:0}
.finding dd{margin-bottom:6px}
table,caption,tbody,tr,th,td{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{border:1px solid var(--line);border-radius:8px;padding:6px 10px;margin-bottom:10px}
th,td,td.number{border:0;padding:2px 0;text-align:left;overflow-wrap:anywhere}
td::before{content:attr(data-label) ": ";color:var(--soft)}
td.empty{display:none}}
@media print{
:root{color-scheme:light;--page:#fff;--sheet:#fff;--ink:#000;--soft:#444;--line:#bbb;
--band:#f4f4f4;--good:#17713d;--good-bg:#fff;--warn:#8a5300;--warn-bg:#fff;--bad:#b3201f;
--bad-bg:#fff;--note:#1f5fa8;--note-bg:#fff;--dim:#5d6875;--dim-bg:#fff}
body{font-size:10.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
nav{display:none}
section{border:0;padding:0;break-inside:auto}
h2,h3{break-after:avoid}
tr,.picture,.facts div{break-inside:avoid}
details::details-content{content-visibility:visible;display:block}}
"""
