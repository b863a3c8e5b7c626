// The regularized incomplete beta function I_x(a, b) = B(x; a, b) / B(a, b), and its inverse in x.

/**
 * The quantile function of the beta distribution: the x in [0, 1] with I_x(a, b) = p.
 * @param p in [0, 1]. @param a > 0. @param b > 0.
 */
export function betaQuantile(p: number, a: number, b: number): number {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  // Near 1 the distance from 1 is what has digits; bisection on a logarithm finds both ends to the last of them.
  if (incompleteBeta(0.5, a, b) < p) return 1 - lowerQuantile(1 - p, b, a);
  return lowerQuantile(p, a, b);
}

/** The quantile where it is at most 1/2: bisection on log(x), which incompleteBeta grows with. */
function lowerQuantile(p: number, a: number, b: number): number {
  let [low, high] = [-745, Math.log(0.5)]; // exp(-745) is the smallest positive number
  for (let i = 0; i < 100 && high - low > 1e-16 * Math.abs(low); i++) {
    const middle = (low + high) / 2;
    if (incompleteBeta(Math.exp(middle), a, b) < p) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/**
 * I_x(a, b) for x <= 1/2 by its power series:
 *   B(x; a, b) = x^a sum_n ((1 - b)_n / n!) x^n / (a + n)
 */
function incompleteBeta(x: number, a: number, b: number): number {
  let term = 1;
  let sum = 1 / a;
  for (let n = 1; n < 400; n++) {
    term *= ((n - b) / n) * x;
    const next = term / (a + n);
    sum += next;
    if (Math.abs(next) < 1e-18 * Math.abs(sum)) break;
  }
  return Math.exp(a * Math.log(x) - logBeta(a, b)) * sum;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Stirling's series, after stepping up to where it has all digits. */
function logGamma(value: number): number {
  let z = value;
  let product = 1;
  while (z < 15) product *= z++;
  const series = 1 / (12 * z) - 1 / (360 * z ** 3) + 1 / (1260 * z ** 5) - 1 / (1680 * z ** 7) + 1 / (1188 * z ** 9);
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}
