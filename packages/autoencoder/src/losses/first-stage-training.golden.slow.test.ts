import { describeTrainingValues } from './training-values';

describeTrainingValues(['cpu', 'webgpu']);
