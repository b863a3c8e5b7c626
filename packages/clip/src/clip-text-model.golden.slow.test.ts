import { describeBackends } from '@sd/testing';
import { goldenTests } from './golden-tests';

describeBackends(['webgpu'], goldenTests);
