export type BundledModel = 'teacher' | 'lite' | 'sd';

/** `own` is what was dropped on the page. */
export type ModelId = BundledModel | 'own';
