import assert from 'node:assert/strict';
import { BackendError, useBackend } from '@sd/backend';

const { name } = await useBackend('cpu');
assert.equal(name, 'cpu');
// The other backends are optional, and here they are absent.
await assert.rejects(useBackend('wasm'), BackendError);
