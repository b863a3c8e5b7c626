/** The comparison, the timings and the folded numbers. */
export const tables = `
.cards { list-style: none; margin: 1.2rem 0 1.8rem; padding: 0; display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); }
.card { border-top: 3px solid var(--own); padding-top: 0.7rem; }
.card h3 { display: flex; align-items: center; gap: 0.5rem; font-size: 1.0625rem; }
.card p { font-size: 0.9rem; line-height: 1.5; margin: 0.3rem 0 0; }
.card .tag { color: var(--muted); font-size: 0.8125rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); font-size: 0.9rem; line-height: 1.5; padding-bottom: 0.7rem; }
th, td { text-align: left; vertical-align: top; padding: 0.65rem 0.75rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { padding-left: 0; }
tbody th { font-weight: 600; }
small { display: block; font-size: 0.8125rem; line-height: 1.4; font-weight: 400; color: var(--muted); }
.comparison { table-layout: fixed; }
.comparison thead td { width: 31%; }
.comparison thead th { border-bottom: 2px solid var(--own); white-space: nowrap; }
.comparison thead .line-sample { margin-right: 0.45rem; }
.comparison .value { margin-right: 0.5rem; font-size: 1.1875rem; line-height: 1.3; white-space: nowrap; }
.comparison td .gain { color: var(--own); font-weight: 550; }
.better { display: inline-block; padding: 0 0.45rem; border: 1px solid var(--own); border-radius: 1rem; color: var(--own); font-size: 0.75rem; line-height: 1.5; font-weight: 650; white-space: nowrap; vertical-align: 0.12em; }
.bar { display: block; height: 5px; margin-top: 0.4rem; background: var(--line); border-radius: 3px; overflow: hidden; }
.bar > span { display: block; height: 100%; background: var(--own, var(--axis)); border-radius: 3px; }
.timings { font-size: 0.95rem; }
.timings th, .timings td { padding-block: 0.35rem; vertical-align: middle; }
.timings thead th { color: var(--muted); font-weight: 500; font-size: 0.8125rem; }
.timings tbody th { font-weight: 400; }
.timings .value { text-align: right; white-space: nowrap; width: 1%; }
.timings thead th:nth-child(2) { text-align: right; }
.timings .meter { width: 45%; padding-left: 1.25rem; }
.timings .bar { margin: 0; background: none; }
.timings tfoot th, .timings tfoot td { border-bottom: 0; font-weight: 650; }
.numbers { margin-top: 1.4rem; font-size: 0.875rem; }
.numbers summary { cursor: pointer; color: var(--link); width: max-content; }
.numbers table { margin-top: 0.6rem; }
.numbers th, .numbers td { padding: 0.25rem 0.75rem; text-align: right; white-space: nowrap; font-weight: 400; }
.numbers thead th { color: var(--muted); font-weight: 600; }
.numbers th:first-child { text-align: left; padding-left: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.4rem, 1fr)); gap: 1rem 1.5rem; margin: 1.6rem 0 0; }
.facts div:first-child { grid-column: 1 / -1; }
.facts dt { color: var(--muted); font-size: 0.8125rem; }
.facts dd { margin: 0; font-size: 1.1875rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
.facts div:first-child dd { font-size: 1rem; }
@media (max-width: 50rem) { .comparison .value { font-size: 1.0625rem; } }
@media (max-width: 40rem) {
  .comparison { font-size: 0.875rem; }
  .comparison thead td { width: 30%; }
  .comparison thead .line-sample { display: block; }
  .comparison th, .comparison td { padding: 0.55rem 0.35rem; }
  .comparison th:first-child, .comparison td:first-child { padding-left: 0; }
  .comparison .value { margin: 0; font-size: 0.95rem; white-space: normal; }
  .comparison small { font-size: 0.75rem; }
  .comparison tbody th small { display: none; }
  .better { display: block; width: max-content; margin: 0.15rem 0 0; }
}
`;
