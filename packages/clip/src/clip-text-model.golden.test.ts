import { describeBackends } from '@sd/testing';
import { goldenTests } from './golden-tests';

describeBackends(['cpu', 'wasm'], goldenTests);
