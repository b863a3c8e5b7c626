/** Where a text encoder's files lie: in a pipeline's folders, or in one of its own. */
export const TEXT_ENCODER_FOLDERS = ['text_encoder', 'tokenizer', ''] as const;

const FILES = /^(config|tokenizer|tokenizer_config|special_tokens_map|vocab)\.json$|^merges\.txt$|\.safetensors$/;

/** Is it one of the files that make a text encoder what it is? @param name without its folder. */
export function isTextEncoderFile(name: string): boolean {
  return FILES.test(name);
}
