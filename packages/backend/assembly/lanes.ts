/** The first `lanes` (1 to 4) floats at an address, the rest zero; never reads past them. */
export function loadLanes(address: usize, lanes: i32): v128 {
  if (lanes >= 4) return v128.load(address);
  if (lanes === 3) return v128.load_lane<f32>(address, v128.load_zero<f64>(address), 2, 8);
  if (lanes === 2) return v128.load_zero<f64>(address);
  return v128.load_zero<f32>(address);
}

/** Stores the first `lanes` (1 to 4) floats; never writes past them. */
export function storeLanes(address: usize, value: v128, lanes: i32): void {
  if (lanes >= 4) {
    v128.store(address, value);
    return;
  }
  if (lanes >= 2) v128.store_lane<f64>(address, value, 0);
  else v128.store_lane<f32>(address, value, 0);
  if (lanes === 3) v128.store_lane<f32>(address, value, 2, 8);
}
