/** One part of a pickle: bytes, or text for them. For tests only. */
type Part = string | number | Uint8Array;

/** Bytes of parts; characters of text are bytes, `\x80` is 0x80. For tests only. */
export function bytesOf(...parts: Part[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return Uint8Array.of(part);
      return typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
    }),
  );
}

/** Opcodes of pickles. For tests only. */
export const op = {
  stop: '.',
  int: (value: number) => bytesOf('J', little(value, 4)),
  text: (value: string) => {
    const bytes = new TextEncoder().encode(value);
    return bytesOf('X', little(bytes.length, 4), bytes);
  },
  global: (name: string) => {
    const at = name.lastIndexOf('.');
    return bytesOf(`c${name.slice(0, at)}\n${name.slice(at + 1)}\n`);
  },
  tuple: (...items: Uint8Array[]) => bytesOf('(', ...items, 't'),
  list: (...items: Uint8Array[]) => bytesOf('](', ...items, 'e'),
  dict: (...entries: [Uint8Array, Uint8Array][]) => bytesOf('}(', ...entries.flat(), 'u'),
  call: (name: string, ...args: Uint8Array[]) => bytesOf(op.global(name), op.tuple(...args), 'R'),
};

/** The pickle of a storage's persistent id. For tests only. */
export function storageId(type: string, key: string, elements: number, ...more: Uint8Array[]): Uint8Array {
  return bytesOf(
    op.tuple(op.text('storage'), op.global(type), op.text(key), op.text('cpu'), op.int(elements), ...more),
    'Q',
  );
}

/** The pickle of a tensor. For tests only. */
export function tensorOf(
  storage: Uint8Array,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Uint8Array {
  const integers = (values: readonly number[]) => op.tuple(...values.map(op.int));
  return op.call('torch._utils._rebuild_tensor_v2', storage, op.int(offset), integers(shape), integers(strides));
}

export type TestEntry = {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
};

/** A zip archive of these stored files; `wide` writes every size and place in zip64 fields. For tests only. */
export function zipOf(entries: readonly TestEntry[], wide = false): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, data, method = 0, flags = 0 } of entries) {
    const header = bytesOf('PK\x03\x04', little(0, 4), little(method, 2), little(0, 8), little(data.length, 4));
    parts.push(header, bytesOf(little(data.length, 4), little(name.length, 2), little(0, 2), name), data);
    const field = (value: number) => little(wide ? 0xffffffff : value, 4);
    const extra = wide
      ? bytesOf(little(1, 2), little(24, 2), little(data.length, 8), little(data.length, 8), little(offset, 8))
      : new Uint8Array(0);
    directory.push(
      bytesOf('PK\x01\x02', little(0, 4), little(flags, 2), little(method, 2), little(0, 8), field(data.length)),
      bytesOf(field(data.length), little(name.length, 2), little(extra.length, 2), little(0, 10), field(offset)),
      bytesOf(name, extra),
    );
    offset += 30 + name.length + data.length;
  }
  const central = bytesOf(...directory);
  const [count, size] = [entries.length, central.length];
  const end64 = bytesOf(
    bytesOf('PK\x06\x06', little(44, 8), little(0, 12), little(count, 8), little(count, 8), little(size, 8)),
    bytesOf(little(offset, 8), 'PK\x06\x07', little(0, 4), little(offset + size, 8), little(1, 4)),
  );
  const short = (value: number, length: number) => little(wide ? 2 ** (8 * length) - 1 : value, length);
  const end = bytesOf('PK\x05\x06', little(0, 4), short(count, 2), short(count, 2), short(size, 4), short(offset, 4));
  return bytesOf(...parts, central, wide ? end64 : new Uint8Array(0), end, little(0, 2));
}

/** A zip file of torch.save with this pickle (without PROTO and STOP) and these storages. For tests only. */
export function torchZip(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  more: readonly TestEntry[] = [],
): Uint8Array {
  return zipOf([
    { name: 'x/data.pkl', data: bytesOf('\x80\x02', pickle, '.') },
    ...Object.entries(storages).map(([key, data]) => ({ name: `x/data/${key}`, data })),
    ...more,
  ]);
}

/** A little-endian integer. For tests only. */
export function little(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(8, length));
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes.slice(0, length);
}
