// Matrix units in plain float32 WGSL, for this package's tests; no part of the package.
import type { MatrixUnits } from './matrix-units';
import { FRAGMENT, SUBGROUP } from './tile';

/** Values of a matrix that a thread holds: those at `i * SUBGROUP + lane`, row after row. */
const HELD = FRAGMENT ** 2 / SUBGROUP;
const eachHeld = (body: string) => `
  let inSubgroup = i32(localIndex) % ${SUBGROUP};
  for (var i = 0; i < ${HELD}; i = i + 1) {
    let row = (i * ${SUBGROUP} + inSubgroup) / ${FRAGMENT};
    let column = (i * ${SUBGROUP} + inSubgroup) % ${FRAGMENT};
    ${body}
  }`;

/** Halves are float32 here, so that results are those of float32. */
export const emulatedMatrixUnits: MatrixUnits = {
  half: 'f32',
  memory: (threads) => 4 * threads * (2 * HELD + 1),
  declarations: (threads, arrays) => `
    alias Matrix = array<f32, ${HELD}>;
    var<workgroup> emulatedX : array<f32, ${threads * HELD}>;
    var<workgroup> emulatedY : array<f32, ${threads * HELD}>;
    var<workgroup> emulatedValues : array<f32, ${threads}>;
    ${arrays
      .map(
        ({ name, type }) => `
          fn load_${name}(at : u32, stride : i32, isTurned : bool) -> Matrix {
            var held : Matrix;
            ${eachHeld(`
              let index = i32(at) + select(row * stride + column, column * stride + row, isTurned);
              held[i] = ${type.startsWith('vec4') ? `${name}[index / 4][index % 4]` : `${name}[index]`};`)}
            return held;
          }
          ${
            type.endsWith('f32') || type.endsWith('<f32>')
              ? `fn store_${name}(at : u32, held : Matrix, stride : u32) {
                  ${eachHeld(`
                    let index = i32(at) + row * i32(stride) + column;
                    ${type === 'f32' ? `${name}[index]` : `${name}[index / 4][index % 4]`} = held[i];`)}
                }`
              : ''
          }`,
      )
      .join('')}
    fn emulatedMultiplyAdd(x : Matrix, y : Matrix, sum : Matrix) -> Matrix {
      let first = i32(localIndex) / ${SUBGROUP} * ${FRAGMENT ** 2};
      workgroupBarrier();
      ${eachHeld(`
        emulatedX[first + row * ${FRAGMENT} + column] = x[i];
        emulatedY[first + row * ${FRAGMENT} + column] = y[i];`)}
      workgroupBarrier();
      var total = sum;
      {
        ${eachHeld(`
          for (var k = 0; k < ${FRAGMENT}; k = k + 1) {
            total[i] = fma(emulatedX[first + row * ${FRAGMENT} + k], emulatedY[first + k * ${FRAGMENT} + column], total[i]);
          }`)}
      }
      return total;
    }
    fn emulatedScale(held : Matrix, factor : f32) -> Matrix {
      var scaled : Matrix;
      for (var i = 0; i < ${HELD}; i = i + 1) { scaled[i] = held[i] * factor; }
      return scaled;
    }
    fn emulatedSwap(value : f32) -> f32 {
      workgroupBarrier();
      emulatedValues[i32(localIndex)] = value;
      workgroupBarrier();
      return emulatedValues[i32(localIndex) ^ 1];
    }
    fn emulatedLargestOf(value : f32) -> f32 {
      workgroupBarrier();
      emulatedValues[i32(localIndex)] = value;
      workgroupBarrier();
      var most = value;
      let first = i32(localIndex) / ${SUBGROUP} * ${SUBGROUP};
      for (var i = 0; i < ${SUBGROUP}; i = i + 1) { most = max(most, emulatedValues[first + i]); }
      return most;
    }`,
  type: () => 'Matrix',
  load: ({ array, at, stride, order }) => `load_${array}(${at}, ${stride}, ${order === 'col_major'})`,
  multiplyAdd: (x, y, sum) => `emulatedMultiplyAdd(${x}, ${y}, ${sum})`,
  scale: (matrix, factor) => `emulatedScale(${matrix}, ${factor})`,
  store: ({ array, at, matrix, stride }) => `store_${array}(${at}, ${matrix}, ${stride});`,
  largest: (value) => `emulatedLargestOf(${value})`,
  swap: (value) => `emulatedSwap(${value})`,
};
