import { describe, expect, test } from 'vitest';
import { type Layout, memoryShape, toMemory, toTorch } from './layout';

const ramp = (size: number) => Float32Array.from({ length: size }, (_, i) => i);

describe('PyTorch and memory layouts', () => {
  test('oihw->hwio moves each filter tap', () => {
    const [o, i, h, w] = [2, 3, 4, 5];
    const torch = ramp(o * i * h * w);
    const memory = toMemory('oihw->hwio', torch, [o, i, h, w]);
    expect(memoryShape('oihw->hwio', [o, i, h, w])).toEqual([h, w, i, o]);
    for (let a = 0; a < o; a++)
      for (let b = 0; b < i; b++)
        for (let y = 0; y < h; y++)
          for (let x = 0; x < w; x++)
            expect(memory[((y * w + x) * i + b) * o + a]).toBe(torch[((a * i + b) * h + y) * w + x]);
  });

  test.each<[Layout, number[]]>([
    ['oi->io', [3, 4]],
    ['oi1->io', [3, 4, 1]],
  ])('%s transposes', (layout, torchShape) => {
    const torch = ramp(12);
    expect(memoryShape(layout, torchShape)).toEqual([4, 3]);
    const memory = toMemory(layout, torch, torchShape);
    for (let o = 0; o < 3; o++) for (let i = 0; i < 4; i++) expect(memory[i * 3 + o]).toBe(torch[o * 4 + i]);
  });

  test.each<[Layout, number[]]>([
    ['same', [3, 4]],
    ['oi->io', [3, 4]],
    ['oi1->io', [3, 4, 1]],
    ['oihw->hwio', [2, 3, 4, 5]],
  ])('%s goes there and back', (layout, torchShape) => {
    const torch = ramp(torchShape.reduce((product, size) => product * size, 1));
    expect(toTorch(layout, toMemory(layout, torch, torchShape), torchShape)).toEqual(torch);
  });
});
