/** Text, landmarks and what surrounds them. */
export const layout = `
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--bg); color: var(--fg);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
header, main > section, footer { width: min(100% - 2.5rem, 54rem); margin-inline: auto; }
h1, h2, .findings li {
  font-family: ui-serif, "Iowan Old Style", Charter, "Source Serif 4", Georgia, "Times New Roman", serif;
}
h1 { font-size: clamp(2rem, 1.3rem + 3vw, 3.1rem); line-height: 1.12; letter-spacing: -0.015em; font-weight: 600; margin: 0.4rem 0 0.9rem; text-wrap: balance; }
h2 { font-size: 1.65rem; line-height: 1.25; font-weight: 600; letter-spacing: -0.008em; margin: 0 0 0.6rem; }
h3 { font-size: 1rem; line-height: 1.4; font-weight: 650; margin: 0; }
p { margin: 0 0 1rem; max-width: 42rem; }
a { color: var(--link); text-underline-offset: 0.15em; text-decoration-thickness: 0.06em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; border-radius: 2px; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 0.875em; }
.muted { color: var(--muted); }
.lead { color: var(--muted); margin-bottom: 1.6rem; }
.note { color: var(--muted); font-size: 0.9rem; line-height: 1.5; margin-top: 1.2rem; }
.sr-only { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -100vw; padding: 0.5rem 1rem; background: var(--raised); }
.skip:focus { left: 1rem; top: 1rem; z-index: 1; }
header { padding-top: clamp(2.5rem, 7vw, 5.5rem); }
.kicker { font-size: 0.8125rem; letter-spacing: 0.09em; text-transform: uppercase; color: var(--muted); margin: 0; }
.subtitle { font-size: 1.2rem; line-height: 1.5; color: var(--muted); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 0.35rem 1.3rem; padding: 0.85rem 0; margin: 1.8rem 0 0; border-block: 1px solid var(--line); font-size: 0.9rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
main > section { padding-top: clamp(3rem, 6vw, 4.75rem); scroll-margin-top: -1.5rem; }
main > section.findings { padding-top: 2.2rem; }
.findings h2 { font: 650 0.8125rem/1.5 system-ui, sans-serif; letter-spacing: 0.09em; text-transform: uppercase; color: var(--muted); }
.findings ul { list-style: none; margin: 0; padding: 0; max-width: 46rem; }
.findings li { font-size: clamp(1.1rem, 1rem + 0.5vw, 1.3rem); line-height: 1.45; padding: 0.75rem 0 0.75rem 1.25rem; border-left: 3px solid var(--axis); text-wrap: pretty; }
.glossary { margin: 0; }
.glossary dt { font-weight: 650; }
.glossary dd { margin: 0 0 1rem; max-width: 42rem; }
@media (min-width: 46rem) {
  .glossary { display: grid; grid-template-columns: 11rem 1fr; column-gap: 1.5rem; }
}
footer { margin-top: 5rem; padding-block: 2rem 4rem; border-top: 1px solid var(--line); font-size: 0.9rem; }
pre code { font-size: inherit; }
footer h2 { font-size: 1.15rem; }
footer pre { margin: 0 0 1.2rem; padding: 0.8rem 1rem; background: var(--raised); border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; }
footer dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1.25rem; margin: 0 0 1.2rem; }
footer dt { color: var(--muted); }
footer dd { margin: 0; overflow-wrap: anywhere; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 10.5pt; background: #fff; }
  nav, .skip { display: none; }
  h2, h3 { break-after: avoid; }
  figure, tr, .card, .glossary dd { break-inside: avoid; }
  header { padding-top: 0; }
  main > section { padding-top: 1.6rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
