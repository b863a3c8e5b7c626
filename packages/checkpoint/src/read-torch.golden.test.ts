import { describe, expect, test } from 'vitest';
import { openTorch } from './open-torch';
import { readSafetensors } from './read-safetensors';
import { readTorch } from './read-torch';
import type { TensorView } from './tensor-view';
import { goldenBytes } from './testing';

const expected = readSafetensors(goldenBytes('torch.safetensors')).tensors;

/** What PyTorch holds, under the names without `group`, as plain bytes. */
function group(name: string): Record<string, unknown> {
  const prefix = `${name}/`;
  return plain(
    [...expected].filter(([key]) => key.startsWith(prefix)).map(([key, v]) => [key.slice(prefix.length), v]),
  );
}

function plain(tensors: Iterable<[string, TensorView]>): Record<string, unknown> {
  return Object.fromEntries([...tensors].map(([name, view]) => [name, { ...view, data: [...view.data] }]));
}

const sourceOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: async (offset: number, length: number) => bytes.slice(offset, offset + length),
});

async function collect(tensors: AsyncIterable<[string, TensorView]>): Promise<[string, TensorView][]> {
  const result: [string, TensorView][] = [];
  for await (const entry of tensors) result.push(entry);
  return result;
}

describe.each([
  ['torch-tensors.pth', 'tensors', 28],
  ['torch-tensors-legacy.pth', 'tensors', 28],
  ['torch-tensors-protocol4.pth', 'tensors', 28],
  ['torch-lightning.ckpt', 'lightning', 4],
  ['torch-lightning-legacy.ckpt', 'lightning', 4],
  ['torch-numpy.pth', 'numpy', 6],
  ['torch-module.pth', 'module', 5],
])('%s', (file, name, count) => {
  const bytes = goldenBytes(file);

  test('every tensor is PyTorch’s, byte by byte', () => {
    const { tensors } = readTorch(bytes);
    expect(tensors.size).toBe(count);
    expect(plain(tensors)).toEqual(group(name));
  });

  test('and by ranges', async () => {
    const opened = await openTorch(sourceOf(bytes));
    expect(opened.names).toEqual([...readTorch(bytes).tensors.keys()]);
    expect(plain(await collect(opened.tensors()))).toEqual(group(name));
    for (const tensor of opened.names) {
      const { dtype, shape } = expected.get(`${name}/${tensor}`)!;
      expect(opened.info(tensor)).toEqual({ dtype, shape });
    }
  });

  test('at any alignment of the file', () => {
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(plain(readTorch(shifted.subarray(1)).tensors)).toEqual(group(name));
  });
});

test.each(['torch-lightning.ckpt', 'torch-lightning-legacy.ckpt'])(
  'the rest of %s is there: optimiser, plain values, and the names of what stays unread',
  (file) => {
    const { wrapper, others, metadata, opaque } = readTorch(goldenBytes(file));
    expect(wrapper).toBe('state_dict');
    const moments = group('lightning-optimizer');
    const prefix = 'optimizer_states.0.state.0';
    expect(plain(others)).toMatchObject({
      [`${prefix}.exp_avg`]: moments.exp_avg,
      [`${prefix}.exp_avg_sq`]: moments.exp_avg_sq,
    });
    expect(metadata).toMatchObject({
      epoch: 3,
      global_step: 12345678901234,
      'pytorch-lightning_version': '1.4.2',
      'callbacks.pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint.current_score': 0.125,
      'lr_schedulers.0.last_epoch': 12,
      'hyper_parameters.base_learning_rate': 2e-6,
      'hyper_parameters.scale_by_std': true,
      'hyper_parameters.device': 'cuda:0',
      'hyper_parameters.dtype': 'torch.float16',
      'hyper_parameters.stage': 'pytorch_lightning.trainer.states.RunningStage.FIT',
      'hyper_parameters.size.2': 64,
    });
    expect(opaque).toEqual([
      'pathlib.PosixPath',
      'pytorch_lightning.utilities.parsing.AttributeDict',
      'omegaconf.dictconfig.DictConfig',
      'omegaconf.base.ContainerMetadata',
      'omegaconf.nodes.AnyNode',
      'a_project.settings.Settings',
    ]);
  },
);

test('two state dicts keep the keys that lead to them', () => {
  const { tensors, wrapper, metadata } = readTorch(goldenBytes('torch-nested.pth'));
  expect(wrapper).toBeUndefined();
  expect([...tensors.keys()]).toEqual([
    'model.weight',
    'ema.weight',
    'extra.encoder.conv.weight',
    'extra.heads.0',
    'extra.heads.1.bias',
  ]);
  expect({ ...metadata }).toEqual({ step: 7 });
});

test('tensors that share a storage share the memory of the file', () => {
  const bytes = goldenBytes('torch-tensors.pth');
  const { tensors } = readTorch(bytes);
  const [whole, part, again] = ['shared.whole', 'shared.part', 'shared.again'].map((name) => tensors.get(name)!.data);
  expect(whole!.buffer).toBe(bytes.buffer);
  expect([part!.byteOffset - whole!.byteOffset, again!.byteOffset - whole!.byteOffset]).toEqual([28, 0]);
});

test('a file that would run a command is refused with its name, and run in no case', () => {
  const bytes = goldenBytes('torch-evil.pth');
  expect(() => readTorch(bytes)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of posix.system]`,
  );
  const { tensors, opaque } = readTorch(bytes, { opaque: 'keep' });
  expect([[...tensors.keys()], opaque]).toEqual([['weight'], ['posix.system']]);
});

test('tensors that have no dense form here are refused with the names of what makes them', () => {
  expect(() => readTorch(goldenBytes('torch-sparse.pth'))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: readTorch: file must be free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread), got calls of torch.serialization._get_layout, torch._utils._rebuild_sparse_tensor]`,
  );
  expect(() => readTorch(goldenBytes('torch-complex.pth'))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: readTorch: data.pkl byte 121 storage type must be one of torch.DoubleStorage, FloatStorage, HalfStorage, BFloat16Storage, LongStorage, IntStorage, ShortStorage, CharStorage, ByteStorage, BoolStorage, UntypedStorage, got torch.ComplexFloatStorage]`,
  );
});

test('a whole module is refused with the name of its class', () => {
  expect(() => readTorch(goldenBytes('torch-whole-module.pth'))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: readTorch: object must be tensors or a container of them (save the state_dict of a model), got an instance of torch.nn.modules.container.Sequential]`,
  );
});
