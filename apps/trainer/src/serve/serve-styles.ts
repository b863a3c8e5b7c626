/** What the live page has beside the report's styles. */
export const serveStyles = `
main h3 { margin-top: 1.8rem; }
.curves { margin-top: 1.8rem; }
.grids { display: grid; gap: 1.4rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); margin-top: 0.7rem; }
.grids .grid { width: 100%; box-sizing: border-box; }
.table { overflow-x: auto; font-size: 0.8125rem; line-height: 1.5; }
#state { font-size: 0.9rem; }
`;
