import { describeTrainingValues } from './training-values';

describeTrainingValues(['wasm']); // the other backends are in first-stage-training.golden.slow.test.ts
