import { ArgumentError } from '@sd/core';
import type { ImageGrid } from './report-data';

const PREFIX = 'data:image/png;base64,';
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * Makes sure that an image of the report is a PNG inside the page, so that opening the page asks nobody for anything.
 * @returns the data URI. @throws {ArgumentError} on anything else, or a PNG of another size.
 */
export function checkPng({ dataUri, width, height }: ImageGrid, name: string): string {
  const fail = () => new ArgumentError('renderReport', name, `a PNG of ${width}x${height} as a data URI`, dataUri);
  if (!dataUri.startsWith(PREFIX)) throw fail();
  const base64 = dataUri.slice(PREFIX.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw fail();
  const bytes = Buffer.from(base64, 'base64');
  // The signature, then the first chunk: its length and name (IHDR), the width and the height.
  if (bytes.length < 24 || SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw fail();
  if (bytes.readUInt32BE(16) !== width || bytes.readUInt32BE(20) !== height) throw fail();
  return dataUri;
}
