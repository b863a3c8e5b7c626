export { CheckpointError } from './checkpoint-error';
export { toFloat32, toFloat64, toInt32 } from './decode';
export { bfloat16View, float16View, float32View, float64View, int32View } from './encode';
export { openSafetensors, type RangeSource, type SafetensorsFile } from './open-safetensors';
export { readSafetensors, type Safetensors } from './read-safetensors';
export type { TensorInfo } from './safetensors-header';
export { bytesPerElement, DTYPES, type DType, isDType, type StateDict, type TensorView } from './tensor-view';
export { writeSafetensors } from './write-safetensors';
