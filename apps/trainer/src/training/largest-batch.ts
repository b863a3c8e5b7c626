/**
 * The largest batch that fits, where one does not: halved until one does, then searched for between.
 * @param fits tries a batch. @param wanted does not fit. @returns 0 where not even 1 fits.
 */
export async function largestBatch(wanted: number, fits: (batch: number) => Promise<boolean>): Promise<number> {
  let [good, bad] = [0, wanted];
  while (bad - good > 1) {
    const next = good === 0 ? Math.floor(bad / 2) : Math.floor((good + bad) / 2);
    if (await fits(next)) good = next;
    else bad = next;
  }
  return good;
}

/** The largest of the numbers that divide a batch, at most `limit`: so many of it can be on the device at once. */
export function largestDivisor(batch: number, limit: number): number {
  for (let divisor = Math.min(batch, limit); divisor > 0; divisor--) if (batch % divisor === 0) return divisor;
  return 1;
}
