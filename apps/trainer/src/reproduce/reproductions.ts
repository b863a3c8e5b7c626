import { withSuggestion } from '../config/nearest';
import { UserError } from '../user-error';
import { fig1 } from './experiments/fig1';
import { fig2 } from './experiments/fig2';
import { fig3 } from './experiments/fig3';
import { fig4 } from './experiments/fig4';
import { fig6 } from './experiments/fig6';
import { fig7 } from './experiments/fig7';
import { fig8 } from './experiments/fig8';
import { fig9 } from './experiments/fig9';
import { fig10 } from './experiments/fig10';
import { table2, table3, table4 } from './experiments/model-tables';
import { table1 } from './experiments/table1';
import { table5 } from './experiments/table5';
import type { Reproduction } from './reproduction';

/** Every figure and table that can be made again, in the order of the report. */
export const REPRODUCTIONS: readonly Reproduction[] = [
  fig1,
  fig2,
  fig3,
  fig4,
  table1,
  table2,
  table3,
  table4,
  table5,
  fig6,
  fig7,
  fig8,
  fig9,
  fig10,
];

/** By name; `all` is all of them. @throws {UserError} that suggests the nearest name. */
export function chosenReproductions(names: readonly string[]): readonly Reproduction[] {
  if (names.includes('all')) return REPRODUCTIONS;
  const known = REPRODUCTIONS.map(({ name }) => name);
  for (const name of names) {
    if (!known.includes(name)) throw new UserError(`reproduce: there is no ${withSuggestion(name, ['all', ...known])}`);
  }
  return REPRODUCTIONS.filter(({ name }) => names.includes(name));
}
