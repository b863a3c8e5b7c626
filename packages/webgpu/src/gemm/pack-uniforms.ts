const lanes = ['x', 'y', 'z', 'w'] as const;

/**
 * Integers of a shader, four to a uniform: tfjs makes an object and an array of each uniform at each dispatch.
 * @param numbers which the code reads as `uniforms.name`.
 */
export function packUniforms(numbers: Readonly<Record<string, number>>) {
  const names = Object.keys(numbers);
  const values = Object.values(numbers);
  const fours = Array.from({ length: Math.ceil(values.length / 4) }, (_, i) => values.slice(4 * i, 4 * i + 4));
  return {
    declaration: fours.map((_, i) => `four${i} : vec4<i32>, `).join(''),
    values: fours.map((four) => ({ type: 'int32', data: [...four, 0, 0, 0].slice(0, 4) })),
    /** The code with the names that this declaration has. */
    inCode: (code: string) =>
      code.replace(/uniforms\.(\w+)/g, (text, name: string) => {
        const place = names.indexOf(name);
        return place < 0 ? text : `uniforms.four${place >> 2}.${lanes[place % 4]}`;
      }),
  };
}
