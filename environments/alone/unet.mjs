import assert from 'node:assert/strict';
import { countMacs, countParameters, presets } from '@sd/unet';

assert.equal(countParameters(presets['sd-ffhq']), 21_098_051);
assert.equal(Math.round(countMacs(presets['sd-ffhq']) / 1e7), 673);
