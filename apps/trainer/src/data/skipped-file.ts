/** A file that could not be read, with the reason. */
export type SkippedFile = { readonly file: string; readonly reason: string };
