/**
 * GPT-2's alphabet for bytes: the printable ones of Latin-1 stand for themselves, the 68 others for the characters from
 * U+0100 on, in order.
 */
const characters: readonly string[] = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const bytes: ReadonlyMap<string, number> = new Map(characters.map((character, byte) => [character, byte]));

/** A text's UTF-8 bytes, one character each. */
export function bytesToAlphabet(text: string): string[] {
  return Array.from(new TextEncoder().encode(text), (byte) => characters[byte]);
}

/** The text of characters of the alphabet; others are left out, and broken UTF-8 becomes U+FFFD. */
export function alphabetToText(letters: string): string {
  const found = [...letters].map((letter) => bytes.get(letter)).filter((byte) => byte !== undefined);
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(found));
}
