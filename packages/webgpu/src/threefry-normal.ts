import { THREEFRY_NORMAL_KERNEL } from '@sd/core';
import { i32, run, type WebGPUKernel } from './program';

const WORKGROUP = 256;

/** WGSL of Threefry-2x32 with 20 rounds (see @sd/core): the two words of a key at counter [0, `counter`]. */
export const THREEFRY_WGSL = `
  fn threefryMix(x : vec2<u32>, rotation : u32) -> vec2<u32> {
    let sum = x.x + x.y;
    return vec2<u32>(sum, ((x.y << rotation) | (x.y >> (32u - rotation))) ^ sum);
  }

  fn threefry(key : vec2<u32>, counter : u32) -> vec2<u32> {
    let rotations = array<u32, 8>(13u, 15u, 26u, 6u, 17u, 29u, 16u, 24u);
    var schedule = array<u32, 3>(key.x, key.y, 0x1bd11bdau ^ key.x ^ key.y);
    var x = vec2<u32>(key.x, counter + key.y);
    for (var group = 0u; group < 5u; group = group + 1u) {
      for (var round = 0u; round < 4u; round = round + 1u) {
        x = threefryMix(x, rotations[(group % 2u) * 4u + round]);
      }
      x = x + vec2<u32>(schedule[(group + 1u) % 3u], schedule[(group + 2u) % 3u] + group + 1u);
    }
    return x;
  }`;

/**
 * Box-Muller in float32. WGSL promises only 11 bits of sin and cos, and of log near 1 no relative accuracy at all, so
 * that all three are series here, on arguments that the integers give exactly.
 */
const BOX_MULLER = `
  // ln m = 2 atanh s, s = (m - 1) / (m + 1), for |s| <= 1/3
  fn twiceAtanh(s : f32) -> f32 {
    let q = s * s;
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0
      + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q / 15.0)))))));
  }

  // -ln((word + 0.5) / 2^32)
  fn minusLog(word : u32) -> f32 {
    if (word >= 0x80000000u) {
      let d = (f32(~word) + 0.5) * ${2 ** -32}; // 1 - u
      return twiceAtanh(d / (2.0 - d));
    }
    let bits = bitcast<u32>(f32(word) + 0.5);
    var exponent = i32(bits >> 23u) - 127;
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
    if (m > 1.41421356) { m = 0.5 * m; exponent = exponent + 1; }
    return f32(32 - exponent) * ${Math.LN2} - twiceAtanh((m - 1.0) / (m + 1.0));
  }

  // cos and sin of 2 pi word / 2^32: of the nearest quarter turn, and of what is left, at most an eighth either way
  fn cosSin(word : u32) -> vec2<f32> {
    let quarter = (word + 0x20000000u) >> 30u;
    let x = f32(bitcast<i32>(word - (quarter << 30u))) * ${2 * Math.PI * 2 ** -32};
    let q = x * x;
    let c = 1.0 + q * (-0.5 + q * (1.0 / 24.0 + q * (-1.0 / 720.0 + q * (1.0 / 40320.0 - q / 3628800.0))));
    let s = x * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0 + q / 362880.0))));
    let odd = select(vec2<f32>(c, s), vec2<f32>(-s, c), (quarter & 1u) == 1u);
    return select(odd, -odd, (quarter & 2u) == 2u);
  }`;

/**
 * {} with {words, shape} -> standard normal numbers, those of @sd/core's `normal`: the same integers, and the transform
 * within float32's rounding. A thread makes the pair of one counter.
 */
export const threefryNormal: WebGPUKernel = {
  kernelName: THREEFRY_NORMAL_KERNEL,
  run: ({ attrs, backend }) => {
    const { words, shape } = attrs as { words: [number, number]; shape: number[] };
    const pairs = Math.ceil(shape.reduce((size, dimension) => size * dimension, 1) / 2);
    return run(backend, {
      key: 'threefry_normal',
      inputs: {},
      outputShape: shape,
      numbers: { key0: i32(words[0] | 0), key1: i32(words[1] | 0) },
      workgroups: Math.ceil(pairs / WORKGROUP),
      workgroupSize: WORKGROUP,
      declarations: THREEFRY_WGSL + BOX_MULLER,
      code: `
        let first = 2 * index;
        if (first < uniforms.size) {
          let key = vec2<u32>(bitcast<u32>(uniforms.key0), bitcast<u32>(uniforms.key1));
          let words = threefry(key, u32(index));
          let pair = sqrt(2.0 * minusLog(words.x)) * cosSin(words.y);
          result[first] = pair.x;
          if (first + 1 < uniforms.size) { result[first + 1] = pair.y; }
        }`,
    });
  },
};
