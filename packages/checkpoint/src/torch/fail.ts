/** What went wrong: the part, what it must be and what it is. */
export type Fail = (part: string, expected: string, actual: string) => Error;
