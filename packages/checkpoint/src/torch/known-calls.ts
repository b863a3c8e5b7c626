import type { DType } from '../tensor-view';
import { type Call, type CallContext, integers, textArgument } from './call-context';
import type { Fail } from './fail';
import { makeNumpyArray, makeNumpyDType, makeNumpyScalar } from './numpy-calls';
import { describeValue, GlobalName, NumpyArray, PickleDict, PickleList, type PickleValue } from './pickle-values';
import { StorageRef } from './storage-ref';
import { TensorRef } from './tensor-ref';

/** torch's dtypes that a storage of untyped bytes may be viewed as, by the names of torch. */
const TORCH_DTYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['torch.float64', 'F64'],
  ['torch.float32', 'F32'],
  ['torch.float16', 'F16'],
  ['torch.bfloat16', 'BF16'],
  ['torch.float8_e4m3fn', 'F8_E4M3'],
  ['torch.float8_e5m2', 'F8_E5M2'],
  ['torch.int64', 'I64'],
  ['torch.int32', 'I32'],
  ['torch.int16', 'I16'],
  ['torch.int8', 'I8'],
  ['torch.uint64', 'U64'],
  ['torch.uint32', 'U32'],
  ['torch.uint16', 'U16'],
  ['torch.uint8', 'U8'],
  ['torch.bool', 'BOOL'],
]);

const MAX_DEVICE_NAME = 32;

/**
 * The functions and classes of Python whose calls are carried out: what makes tensors and plain containers. Each is
 * written here; nothing of the file runs. Containers are not copied, so that a file cannot have one copied often.
 */
const KNOWN_CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_tensor_v3', rebuildTensorOfDType],
  ['torch._utils._rebuild_parameter', tensorArgument],
  ['torch._utils._rebuild_parameter_with_state', tensorArgument],
  ['torch._utils._rebuild_device_tensor_from_numpy', tensorArgument],
  ['torch._utils._rebuild_device_tensor_from_cpu_tensor', tensorArgument],
  ['torch._utils._rebuild_xla_tensor', tensorArgument],
  ['torch._tensor._rebuild_from_type', rebuildFromType],
  ['torch._tensor._rebuild_from_type_v2', rebuildFromType],
  ['torch.Size', sequence],
  ['torch.device', device],
  ['collections.OrderedDict', dict],
  ['collections.Counter', dict],
  ['collections.defaultdict', (args, context) => dict(args.slice(1, 2), context)],
  ['builtins.dict', dict],
  ['builtins.list', sequence],
  ['builtins.tuple', sequence],
  ['builtins.set', sequence],
  ['builtins.frozenset', sequence],
  ['builtins.bytes', bytes],
  ['builtins.bytearray', bytes],
  ['builtins.getattr', getAttribute],
  ['_codecs.encode', encode],
  ['numpy.dtype', makeNumpyDType],
  ['numpy.core.multiarray.scalar', makeNumpyScalar],
  ['numpy.core.multiarray._reconstruct', makeNumpyArray],
]);

/** What carries out a call of this dotted name, where one is known. */
export function knownCall(name: string): Call | undefined {
  return KNOWN_CALLS.get(name);
}

/** `_rebuild_tensor(_v2)(storage, offset, size, stride, ...)` of torch/_utils.py */
function rebuildTensor(args: readonly PickleValue[], { fail }: CallContext): PickleValue {
  const storage = storageOf(args[0], fail);
  if (storage.dtype === undefined) throw fail('storage', 'of a type', 'UntypedStorage');
  return makeTensor(storage, storage.dtype, args, fail);
}

/** `_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, ...)` of torch/_utils.py */
function rebuildTensorOfDType(args: readonly PickleValue[], { fail }: CallContext): PickleValue {
  const dtype = args[6];
  const known = dtype instanceof GlobalName ? TORCH_DTYPES.get(dtype.name) : undefined;
  if (known === undefined) {
    throw fail('dtype', `one of ${[...TORCH_DTYPES.keys()].join(', ')}`, describeValue(dtype ?? null));
  }
  return makeTensor(storageOf(args[0], fail), known, args, fail);
}

function makeTensor(storage: StorageRef, dtype: DType, args: readonly PickleValue[], fail: Fail): TensorRef {
  const [offset] = integers('storage offset', new PickleList([args[1] ?? null]), fail);
  const shape = integers('size', args[2], fail);
  return new TensorRef(storage, dtype, shape, integers('stride', args[3], fail), offset!, fail);
}

function storageOf(value: PickleValue | undefined, fail: Fail): StorageRef {
  if (value instanceof StorageRef) return value;
  throw fail('storage', 'a storage', describeValue(value ?? null));
}

/** A parameter, or a tensor of another device, wraps the tensor that it is made of. */
function tensorArgument([tensor]: readonly PickleValue[], { fail }: CallContext): PickleValue {
  if (tensor instanceof TensorRef || tensor instanceof NumpyArray) return tensor;
  throw fail('argument', 'a tensor', describeValue(tensor ?? null));
}

/** `_rebuild_from_type_v2(func, type, args, state)` of torch/_tensor.py: a tensor with attributes, which are dropped. */
function rebuildFromType([callable, , args]: readonly PickleValue[], context: CallContext): PickleValue {
  const known = callable instanceof GlobalName ? knownCall(callable.name) : undefined;
  if (known === undefined || known === rebuildFromType || !(args instanceof PickleList)) {
    throw context.fail('function', 'one that rebuilds a tensor', describeValue(callable ?? null));
  }
  return tensorArgument([known(args.items, context)], context);
}

/** `torch.device('cuda', 0)` and the like, as `cuda:0` */
function device([type, index]: readonly PickleValue[], { fail }: CallContext): PickleValue {
  if (typeof type !== 'string' || type.length > MAX_DEVICE_NAME) {
    throw fail('argument', 'the name of a device', describeValue(type ?? null));
  }
  return typeof index === 'number' ? `${type}:${index}` : type;
}

/** A member of a class, as enumerations are pickled: the longer name, and nothing more. */
function getAttribute([owner, name]: readonly PickleValue[], { spend, opaque }: CallContext): PickleValue {
  if (!(owner instanceof GlobalName) || typeof name !== 'string') return opaque('builtins.getattr', 'call');
  spend(owner.name.length + name.length);
  return new GlobalName(`${owner.name}.${name}`);
}

function sequence([items]: readonly PickleValue[], { fail }: CallContext): PickleValue {
  if (items === undefined) return new PickleList();
  if (items instanceof PickleList) return items;
  throw fail('argument', 'a sequence', describeValue(items));
}

/** A dict of nothing, of a dict, or of pairs, as Python 2 has it. */
function dict([source]: readonly PickleValue[], { fail, spend }: CallContext): PickleValue {
  if (source === undefined || source === null) return new PickleDict();
  if (source instanceof PickleDict) return source;
  if (!(source instanceof PickleList)) throw fail('argument', 'a dict or pairs', describeValue(source));
  spend(source.items.length);
  const result = new PickleDict();
  for (const pair of source.items) {
    const [key, value, more] = pair instanceof PickleList ? pair.items : [];
    if (key === undefined || value === undefined || more !== undefined) {
      throw fail('argument', 'of pairs', describeValue(pair));
    }
    result.set(key, value);
  }
  return result;
}

function bytes(args: readonly PickleValue[], context: CallContext): PickleValue {
  const [source] = args;
  if (source === undefined) return new Uint8Array(0);
  return source instanceof Uint8Array ? source : encode(args, context);
}

/** Protocol 2 has no bytes: they are text whose characters are below 256. */
function encode(args: readonly PickleValue[], { fail, spend }: CallContext): PickleValue {
  const text = textArgument(args[0], fail);
  const encoding = textArgument(args[1], fail);
  if (encoding !== 'latin1' && encoding !== 'latin-1') throw fail('encoding', '"latin1"', describeValue(encoding));
  spend(text.length);
  const result = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) throw fail('argument', 'of characters below 256', `${code}`);
    result[i] = code;
  }
  return result;
}
