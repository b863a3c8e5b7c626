/** The families of wavelets, by what their names begin with. */
export const FAMILIES = [
  { prefix: 'haar', name: 'Haar' },
  { prefix: 'db', name: 'Daubechies' },
  { prefix: 'sym', name: 'symlets' },
  { prefix: 'coif', name: 'coiflets' },
  { prefix: 'bior', name: 'biorthogonal' },
  { prefix: 'rbio', name: 'biorthogonal, reversed' },
  { prefix: 'dmey', name: 'Meyer’s, discrete' },
] as const;

export function familyOf(wavelet: string): string {
  return FAMILIES.find(({ prefix }) => wavelet.startsWith(prefix))?.prefix ?? 'haar';
}
