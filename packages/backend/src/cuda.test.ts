import { expect, test, vi } from 'vitest';
import { BackendError } from './backend-error';
import { checkNodeVersion, startCuda } from './cuda';
import { installedAt } from './node/installed';
import { onNode } from './runtime';

vi.mock('./node/installed', { spy: true });
vi.mock('./runtime', { spy: true });

const refusal = (reason: string) => new BackendError('cuda', reason);

test('cuda is refused where tfjs-node-gpu is not installed', async () => {
  vi.mocked(installedAt).mockResolvedValueOnce(null);
  await expect(startCuda()).rejects.toThrow(refusal('@tensorflow/tfjs-node-gpu is not installed'));
});

test('cuda is refused in a browser', async () => {
  vi.mocked(onNode).mockReturnValueOnce(false);
  await expect(startCuda()).rejects.toThrow(refusal('it exists on Node only'));
});

test('cuda is refused on Node 23 and later', () => {
  expect(() => checkNodeVersion('22.12.0')).not.toThrow();
  expect(() => checkNodeVersion('24.1.0')).toThrow(
    refusal('@tensorflow/tfjs-node-gpu needs Node 22 or older, this is 24.1.0'),
  );
});

// This repository installs the package without its install script.
test.runIf(Number(process.versions.node.split('.')[0]) <= 22)(
  'cuda is refused where the install script did not run',
  async () => {
    await expect(startCuda()).rejects.toThrow(
      refusal('@tensorflow/tfjs-node-gpu is installed without its native part, which its install script downloads'),
    );
  },
);
