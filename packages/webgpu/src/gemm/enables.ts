const hoisting = new WeakSet<GPUDevice>();

/**
 * Lets shaders of tfjs's programs use language extensions. WGSL wants `enable` first in a shader, where tfjs writes its own
 * prelude; directives `//! enable f16;` in the program's code are moved there when the module is made.
 */
export function allowEnables(device: GPUDevice): void {
  if (hoisting.has(device)) return;
  hoisting.add(device);
  const createShaderModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    const directives = [...descriptor.code.matchAll(/^\s*\/\/! (.+;)$/gm)].map(([, directive]) => directive);
    if (directives.length === 0) return createShaderModule(descriptor);
    return createShaderModule({ ...descriptor, code: `${directives.join('\n')}\n${descriptor.code}` });
  };
}
