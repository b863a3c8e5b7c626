import { type BackendName, useBackend } from '@sd/backend';
import { beforeAll, describe } from 'vitest';

const anywhere: readonly BackendName[] = ['cpu', 'wasm'];

/**
 * One suite per backend, which is set before the suite's own hooks and tests run. cpu and wasm must start everywhere;
 * where webgpu (SwiftShader if there is no GPU) or cuda cannot, the suite's tests are reported as skipped, with the
 * reason in the suite's name.
 */
export function describeBackends(names: readonly BackendName[] = anywhere, body: (name: BackendName) => void): void {
  for (const name of names) {
    describe(name, async () => {
      const reason = anywhere.includes(name) ? null : await whyNot(name);
      if (reason !== null) {
        console.warn(`skipped on ${name}: ${reason}`);
        describe.skip(`skipped: ${reason}`, () => body(name));
        return;
      }
      beforeAll(async () => {
        await useBackend(name, { allowSoftware: true });
      });
      body(name);
    });
  }
}

async function whyNot(name: BackendName): Promise<string | null> {
  try {
    await useBackend(name, { allowSoftware: true });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
