/** `text` as a JSON string for a message, cut after 60 characters, so that a hostile name stays short and printable. */
export function quote(text: string): string {
  return text.length > 60
    ? `${JSON.stringify(text.slice(0, 60))}... (${text.length} characters)`
    : JSON.stringify(text);
}
