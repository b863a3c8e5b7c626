/** Charts, their legends and the grids of pictures. */
export const figures = `
figure { margin: 0; }
figcaption { font-size: 0.875rem; line-height: 1.5; color: var(--muted); }
.chart h3 { margin-bottom: 0.4rem; }
.chart [role="img"] svg { display: block; width: 100%; height: auto; overflow: visible; }
.chart > figcaption { margin-top: 0.4rem; }
.chart .legend { margin: 0 0 0.5rem; }
.pair { display: grid; gap: 2.2rem 2.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
.direction.wide { grid-column: 1 / -1; }
.direction h3 { padding-bottom: 0.35rem; border-bottom: 1px solid var(--line); margin-bottom: 0.7rem; }
.multiples { display: grid; gap: 1.4rem 2.2rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.3rem 1.4rem; margin: 0 0 1.4rem; padding: 0; font-size: 0.9rem; color: var(--fg); }
.legend li { display: flex; align-items: center; flex-wrap: wrap; column-gap: 0.45rem; }
.line-sample { flex: none; vertical-align: middle; }
.grid { display: block; max-width: 100%; height: auto; padding: 4px; background: #fff; border: 1px solid var(--line); border-radius: 4px; image-rendering: pixelated; box-sizing: content-box; }
.samples { display: grid; gap: 1.75rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.samples .grid, .strip .grid { width: 100%; box-sizing: border-box; }
.samples figcaption { margin-top: 0.5rem; color: var(--fg); }
.samples figcaption .muted { display: block; }
.samples .line-sample { margin-right: 0.4rem; }
@media (max-width: 30rem) { .samples { gap: 1.1rem 0.75rem; } .samples figcaption { font-size: 0.8125rem; } }
@media screen and (min-width: 78rem) {
  .samples { grid-template-columns: repeat(4, 274px); justify-content: space-between; width: 74rem; margin-left: calc((100% - 74rem) / 2); }
}
.strip figcaption { margin-top: 0.5rem; }
`;
