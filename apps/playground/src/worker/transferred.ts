import { transfer } from 'comlink';

/** A message whose pixels and numbers go over to the other side, and are no longer here. */
export function transferred<T extends object>(message: T): T {
  return transfer(message, buffersOf(message, new Set()));
}

function buffersOf(value: unknown, found: Set<ArrayBuffer>): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) buffersOf(part, found);
  }
  return [...found];
}
