import { enableProdMode } from '@tensorflow/tfjs-core';
import { expose } from 'comlink';
import { Playground } from './playground';

enableProdMode(); // else tfjs checks every tensor for what its tests care about

expose(new Playground());
