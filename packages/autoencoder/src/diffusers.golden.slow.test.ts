import { describeDiffusersValues } from './diffusers-values';

describeDiffusersValues(['cpu', 'webgpu']);
