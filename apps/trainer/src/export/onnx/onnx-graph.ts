import { createHash } from 'node:crypto';
import { float16View, type TensorView, toFloat32 } from '@sd/checkpoint';
import packageJson from '../../../package.json' with { type: 'json' };
import { ProtobufWriter } from '../../files/protobuf-writer';
import { UserError } from '../../user-error';

/** Operators of this version of the standard set; runtimes since 2022 have it. */
const OPSET = 17;
const IR_VERSION = 8;

/** The most that a protobuf message may hold. */
const LARGEST = 2 ** 31 - 1;

const ELEMENT = { float32: 1, int64: 7, float16: 10 } as const;
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** A number whose fraction matters, a whole number, a name, or a list of whole numbers. */
export type Attribute = { readonly float: number } | number | string | readonly number[];

/** An axis: its size, or a name where it may have any. */
export type Axis = number | string;

/** The name of a value in a graph. */
export type Value = string & { readonly __value: unique symbol };

export type OnnxPrecision = 'float32' | 'float16';

/**
 * An ONNX graph in the making: nodes are added in the order of evaluation, each gives the names of its outputs.
 * Weights are inside; as float16 they are cast to float32 where the graph begins, and computed with as such.
 * @see https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
export class OnnxGraph {
  readonly #nodes = new ProtobufWriter();
  readonly #initializers = new ProtobufWriter();
  readonly #inputs = new ProtobufWriter();
  readonly #outputs = new ProtobufWriter();
  readonly #constants = new Map<string, Value>();
  #count = 0;

  constructor(
    readonly name: string,
    readonly precision: OnnxPrecision = 'float32',
  ) {}

  input(name: string, shape: readonly Axis[], element: 'float32' | 'int64' = 'float32'): Value {
    this.#inputs.message(11, valueInfo(name, shape, element));
    return name as Value;
  }

  /** Gives a value its name outside. */
  output(name: string, value: Value, shape: readonly Axis[]): void {
    this.#append('Identity', [value], [name], {});
    this.#outputs.message(12, valueInfo(name, shape, 'float32'));
  }

  /** A weight under its name in the state dict. @param shape in place of the view's own. */
  weight(name: string, view: TensorView, shape: readonly number[] = view.shape): Value {
    return this.#weightOf(name, view.dtype === 'F32' ? view.data : bytesOf(toFloat32(view)), shape, () =>
      toFloat32(view),
    );
  }

  /** Numbers of the graph's own. */
  values(name: string, data: Float32Array, shape: readonly number[]): Value {
    return this.#weightOf(name, bytesOf(data), shape, () => data);
  }

  /** One number, the same value wherever it is asked for. */
  scalar(value: number): Value {
    return this.#constant(`scalar ${value}`, () =>
      tensor(`scalar ${value}`, [], 'float32', bytesOf(Float32Array.of(value))),
    );
  }

  /** A list of whole numbers: a shape, scales of axes. */
  shape(values: readonly number[]): Value {
    const name = `shape ${values.join(' ')}`;
    const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#constant(name, () => tensor(name, [values.length], 'int64', data));
  }

  /** Numbers that must stay float32 where weights are float16. */
  floats(values: readonly number[]): Value {
    const name = `floats ${values.length} ${createHash('sha256').update(Float64Array.from(values)).digest('hex').slice(0, 16)}`;
    return this.#constant(name, () => tensor(name, [values.length], 'float32', bytesOf(Float32Array.from(values))));
  }

  /** Adds an operator with one output. */
  node(operator: string, inputs: readonly (Value | '')[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.nodes(operator, inputs, 1, attributes)[0];
  }

  /** Adds an operator with several outputs. */
  nodes(
    operator: string,
    inputs: readonly (Value | '')[],
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value[] {
    const id = this.#count++;
    const names = Array.from({ length: outputs }, (_, i) => `${operator} ${id}${outputs > 1 ? `.${i}` : ''}` as Value);
    this.#append(operator, inputs, names, attributes);
    return names;
  }

  /**
   * The model's file.
   * @param metadata names and texts that runtimes pass through.
   * @throws {UserError} where it would be larger than a protobuf message can be.
   */
  model(metadata: Readonly<Record<string, string>>): Uint8Array {
    const graph = new ProtobufWriter();
    for (const part of [this.#nodes, this.#initializers, this.#inputs, this.#outputs]) graph.append(part);
    graph.string(2, this.name);
    const model = new ProtobufWriter()
      .int(1, IR_VERSION)
      .string(2, packageJson.name)
      .string(3, packageJson.version)
      .message(7, graph)
      .message(8, new ProtobufWriter().string(1, '').int(2, OPSET));
    for (const [key, value] of Object.entries(metadata)) {
      model.message(14, new ProtobufWriter().string(1, key).string(2, value));
    }
    if (model.length > LARGEST) {
      throw new UserError(
        `export: ${this.name} takes ${(model.length / 2 ** 30).toFixed(1)} GiB as ONNX, more than the 2 GiB of a protobuf file${
          this.precision === 'float32' ? ': --half halves it' : ''
        }`,
      );
    }
    return model.join();
  }

  #weightOf(name: string, float32: Uint8Array, shape: readonly number[], values: () => Float32Array): Value {
    if (this.precision === 'float32') {
      this.#initializers.message(5, tensor(name, shape, 'float32', float32));
      return name as Value;
    }
    this.#initializers.message(5, tensor(name, shape, 'float16', float16View(values(), shape).data));
    return this.node('Cast', [name as Value], { to: ELEMENT.float32 });
  }

  #constant(name: string, make: () => ProtobufWriter): Value {
    const known = this.#constants.get(name);
    if (known !== undefined) return known;
    this.#initializers.message(5, make());
    this.#constants.set(name, name as Value);
    return name as Value;
  }

  #append(
    operator: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
  ): void {
    const node = new ProtobufWriter();
    for (const input of inputs) node.string(1, input);
    for (const output of outputs) node.string(2, output);
    node.string(3, outputs[0]).string(4, operator);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    this.#nodes.message(1, node);
  }
}

function attribute(name: string, value: Attribute): ProtobufWriter {
  const message = new ProtobufWriter().string(1, name);
  if (typeof value === 'number') return message.int(3, value).int(20, ATTRIBUTE.int);
  if (typeof value === 'string') return message.string(4, value).int(20, ATTRIBUTE.string);
  if ('float' in value) return message.float(2, value.float).int(20, ATTRIBUTE.float);
  for (const element of value) message.int(8, element);
  return message.int(20, ATTRIBUTE.ints);
}

function tensor(
  name: string,
  shape: readonly number[],
  element: keyof typeof ELEMENT,
  data: Uint8Array,
): ProtobufWriter {
  const message = new ProtobufWriter();
  for (const size of shape) message.int(1, size);
  return message.int(2, ELEMENT[element]).string(8, name).bytes(9, data);
}

function valueInfo(name: string, shape: readonly Axis[], element: keyof typeof ELEMENT): ProtobufWriter {
  const dimensions = new ProtobufWriter();
  for (const axis of shape) {
    const dimension = new ProtobufWriter();
    if (typeof axis === 'number') dimension.int(1, axis);
    else dimension.string(2, axis);
    dimensions.message(1, dimension);
  }
  const type = new ProtobufWriter().int(1, ELEMENT[element]).message(2, dimensions);
  return new ProtobufWriter().string(1, name).message(2, new ProtobufWriter().message(1, type));
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
