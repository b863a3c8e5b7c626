/** Places values along an axis. */
export type Scale = {
  /** From a value to [0, 1]. */
  readonly place: (value: number) => number;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
};

/** Steps of 1, 2 or 5 times a power of ten, about `count` of them. */
export function linearScale(min: number, max: number, count = 5): Scale {
  const span = max > min ? max - min : 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + span * 1e-9; i++) {
    ticks.push({ value: i * step, text: (i * step).toFixed(digits).replace(/^-(?=0(\.0*)?$)/, '') });
  }
  return { place: (value) => (value - min) / span, ticks };
}

/** Decades. @param min above 0. */
export function logScale(min: number, max: number): Scale {
  const [low, high] = [Math.log10(min), Math.log10(max)];
  const span = high > low ? high - low : 1;
  const decades = [];
  const every = Math.max(1, Math.ceil(span / 5));
  for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power += every) {
    decades.push({ value: 10 ** power, text: decadeText(power) });
  }
  return { place: (value) => (Math.log10(Math.max(value, min)) - low) / span, ticks: decades };
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

function decadeText(power: number): string {
  if (power >= -2 && power <= 3) return String(10 ** power).replace(/^0\.0+1$/, (text) => text);
  const digits = Array.from(String(Math.abs(power)), (digit) => SUPERSCRIPTS[Number(digit)]).join('');
  return `10${power < 0 ? '⁻' : ''}${digits}`;
}
