export { convFilterGradient } from './conv';
export { copyStrided, gatherPixels, gatherRows, scatterAddPixels, scatterAddRows } from './copy';
export { gemm } from './gemm';
export { erf, expScaled, leakyRelu, logarithm, select, sigmoid, silu, siluGradient, softplus, tanh } from './pointwise';
export { extremeColumns, extremeRows, sumColumns, sumRows } from './reduce';
