// Gauss and Legendre's nodes and weights on [-1, 1]: exact for polynomials up to degree 3.
const NODE = 1 / Math.sqrt(3);

/**
 * The integrals of Lagrange's polynomials, up to degree 3: int_from^to l_k(s) ds, where l_k is 1 at nodes[k] and 0 at the
 * other nodes.
 */
export function lagrangeIntegrals(nodes: readonly number[], from: number, to: number): number[] {
  const [center, half] = [(from + to) / 2, (to - from) / 2];
  return nodes.map(
    (_, k) => half * (lagrange(nodes, k, center - half * NODE) + lagrange(nodes, k, center + half * NODE)),
  );
}

function lagrange(nodes: readonly number[], k: number, at: number): number {
  return nodes.reduce((product, node, j) => (j === k ? product : (product * (at - node)) / (nodes[k] - node)), 1);
}
