import { describeTinyValues } from './tiny-values';

describeTinyValues(['cpu', 'webgpu']);
