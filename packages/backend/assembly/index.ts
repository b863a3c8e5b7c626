export { adamw } from './adamw';
export { attention, attentionGradient } from './attention';
export { convFilterGradient, convolve, packFilter } from './conv';
export { copyStrided, gatherPixels, gatherRows, scatterAddPixels, scatterAddRows } from './copy';
export { gemm } from './gemm';
export { haarForward, haarInverse } from './haar';
export { groupNorm, groupNormGradient } from './norm';
export { erf, exp, leakyRelu, log, select, silu, siluGradient, softplus, tanh } from './pointwise';
export { extremeColumns, extremeRows, sumColumns, sumRows } from './reduce';
