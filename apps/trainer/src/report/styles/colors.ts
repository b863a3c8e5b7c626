/**
 * Every color of page and charts. Models have blue, orange and green of Okabe and Ito's set, which most color-blind
 * readers tell apart, darkened or lightened until text in them is legible; the bands have four other hues.
 */
export const colors = `
:root {
  color-scheme: light dark;
  --bg: #fcfbf9; --raised: #ffffff; --fg: #1d1c1a; --muted: #625e58; --line: #e6e2db; --axis: #a9a39a;
  --shade: rgb(120 105 80 / 0.07); --link: #0b62a5;
  --data: #2e2d2b; --teacher: #0b6db5; --lite: #c4560b; --sd: #08825a;
  --ll: #4b3fae; --lh: #b0307f; --hl: #1786a0; --hh: #857318;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --bg: #151619; --raised: #1d1f23; --fg: #ecebe7; --muted: #a5a29b; --line: #2e3036; --axis: #62646b;
    --shade: rgb(235 225 205 / 0.06); --link: #7cbcf5;
    --data: #e9e7e2; --teacher: #62b0f4; --lite: #f59a4c; --sd: #3fcf9b;
    --ll: #a79bff; --lh: #f27dc0; --hl: #58cbe4; --hh: #d6c25a;
  }
}
.data { --own: var(--data); } .teacher { --own: var(--teacher); } .lite { --own: var(--lite); } .sd { --own: var(--sd); }
`;
