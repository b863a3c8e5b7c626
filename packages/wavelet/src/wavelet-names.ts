import { BIORTHOGONAL } from './filters/biorthogonal';
import { COIFLETS } from './filters/coiflets';
import { DAUBECHIES } from './filters/daubechies';
import { MEYER } from './filters/meyer';
import { SYMLETS } from './filters/symlets';
import type { WaveletName } from './wavelet-name';

const tables = [DAUBECHIES, SYMLETS, COIFLETS, MEYER, BIORTHOGONAL];
const keys = tables.flatMap((table) => Object.keys(table)) as WaveletName[];
const isReverse = (name: string) => name.startsWith('rbio');

/** Every wavelet there is: haar, db1.., sym2.., coif1.., dmey, bior1.1.., rbio1.1... */
export const waveletNames: readonly WaveletName[] = [
  'haar',
  ...keys.filter((name) => !isReverse(name)),
  ...keys.filter(isReverse),
];
