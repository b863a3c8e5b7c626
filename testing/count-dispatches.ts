/**
 * The dispatches of compute shaders that `fn` records on WebGPU, tfjs's and anybody's. What happens in JavaScript costs
 * about 6 us each, whatever they compute.
 */
export async function countDispatches(fn: () => unknown): Promise<number> {
  const { prototype } = GPUComputePassEncoder;
  const original = prototype.dispatchWorkgroups;
  let count = 0;
  prototype.dispatchWorkgroups = function (...workgroups) {
    count++;
    return original.apply(this, workgroups);
  };
  try {
    await fn();
  } finally {
    prototype.dispatchWorkgroups = original;
  }
  return count;
}
