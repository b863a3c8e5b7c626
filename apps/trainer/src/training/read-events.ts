import { expect } from 'vitest';

// For tests: a reader of event files written from the formats' descriptions, which shares nothing with the writer: CRC bit
// by bit, masks in 64 bits, fields by their wire types.

function referenceCrc(bytes: Uint8Array): bigint {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc % 2n === 1n ? (crc / 2n) ^ 0x82f63b78n : crc / 2n;
  }
  const value = crc ^ 0xffffffffn;
  const rotated = (value >> 15n) | ((value << 17n) & 0xffffffffn);
  return (rotated + 0xa282ead8n) % 2n ** 32n;
}

/** Messages of a file. Its checksums must be right; a last record may be cut short, as a kill leaves it. */
export function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at + 12 <= file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(BigInt(file.readUInt32LE(at + 8)), 'checksum of the length').toBe(referenceCrc(file.subarray(at, at + 8)));
    if (at + 16 + length > file.length) break;
    const data = file.subarray(at + 12, at + 12 + length);
    expect(BigInt(file.readUInt32LE(at + 12 + length)), 'checksum of the data').toBe(referenceCrc(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

export type Fields = Readonly<Record<number, readonly (number | Buffer)[]>>;

export function fieldsOf(message: Buffer): Fields {
  const fields: Record<number, (number | Buffer)[]> = {};
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = message[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
      shift += 7n;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    fields[field] ??= [];
    if (wire === 0) fields[field].push(varint());
    else if (wire === 1) {
      fields[field].push(message.readDoubleLE(at));
      at += 8;
    } else if (wire === 5) {
      fields[field].push(message.readFloatLE(at));
      at += 4;
    } else {
      expect(wire).toBe(2);
      const length = varint();
      fields[field].push(message.subarray(at, at + length));
      at += length;
    }
  }
  return fields;
}

export const bytesIn = (fields: Fields, field: number) => fields[field][0] as Buffer;
