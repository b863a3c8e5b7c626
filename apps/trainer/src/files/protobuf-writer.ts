/** A varint's bytes; negative integers as 64-bit two's complement, as protobuf has them. */
function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/**
 * Writes messages of Protocol Buffers, field by field, in the order of the calls. Bytes are referred to and not copied
 * until the whole is joined: a message may hold gigabytes of weights.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** An integer: int32, int64, enum or bool. @param value a whole number. */
  int(field: number, value: number | bigint): this {
    return this.#tag(field, WIRE.varint).#push(varint(value));
  }

  /** A list of integers, packed. */
  ints(field: number, values: readonly number[]): this {
    const packed = new ProtobufWriter();
    for (const value of values) packed.#push(varint(value));
    return this.message(field, packed);
  }

  float(field: number, value: number): this {
    return this.#tag(field, WIRE.fixed32).#push(new Uint8Array(Float32Array.of(value).buffer));
  }

  /** A list of 64-bit floats, packed. */
  doubles(field: number, values: readonly number[]): this {
    return this.bytes(field, new Uint8Array(Float64Array.from(values).buffer));
  }

  double(field: number, value: number): this {
    return this.#tag(field, WIRE.fixed64).#push(new Uint8Array(Float64Array.of(value).buffer));
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** @param value borrowed until the message is joined. */
  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, WIRE.bytes).#push(varint(value.length)).#push(value);
  }

  message(field: number, value: ProtobufWriter): this {
    return this.#tag(field, WIRE.bytes).#push(varint(value.#length)).append(value);
  }

  /** The fields of another message after this one's. */
  append(value: ProtobufWriter): this {
    for (const chunk of value.#chunks) this.#push(chunk);
    return this;
  }

  /** The message in one piece. */
  join(): Uint8Array {
    const result = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      result.set(chunk, at);
      at += chunk.length;
    }
    return result;
  }

  #tag(field: number, wire: number): this {
    return this.#push(varint(field * 8 + wire));
  }

  #push(chunk: Uint8Array): this {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    return this;
  }
}
