/** What a product's shader is made for. */
export type ShaderOptions = {
  /** Operands can be read four values at once. */
  readonly vectorA: boolean;
  readonly vectorB: boolean;
  readonly edges: Edges;
};

/** Whether tiles reach beyond the rows and columns of the result, and steps beyond the end of the sum: else nothing is checked. */
export type Edges = { readonly m: boolean; readonly n: boolean; readonly k: boolean };

/** WGSL: what stands outside of the function, and its body. */
export type ShaderText = { readonly declarations: string; readonly code: string };
