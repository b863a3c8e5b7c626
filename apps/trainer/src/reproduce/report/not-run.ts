/** What was asked for and could not be run. */
export type NotRun = { readonly name: string; readonly title: string; readonly reason: string };
