// A lone half of a surrogate pair, which no UTF-8 text can hold.
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether `text` can be written as UTF-8 and read back. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}
