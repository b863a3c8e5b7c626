// Control and format characters, line separators: invisible, or able to rearrange the rest of the line.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** `text` as a JSON string for a message, cut after 60 characters, so that a hostile name stays short and printable. */
export function quote(text: string): string {
  const quoted = JSON.stringify(text.slice(0, 60)).replace(UNPRINTABLE, escapeCharacter);
  return text.length > 60 ? `${quoted}... (${text.length} characters)` : quoted;
}

function escapeCharacter(character: string): string {
  return Array.from({ length: character.length }, (_, i) => {
    return `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }).join('');
}
