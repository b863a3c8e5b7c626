import { describeLdmValues } from './ldm-values';

describeLdmValues(['webgpu']);
