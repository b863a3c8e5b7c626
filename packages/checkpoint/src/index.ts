export { CheckpointError } from './checkpoint-error';
export { asFloat32, toFloat32, toFloat64, toInt32 } from './decode';
export { bfloat16View, float16View, float32View, float64View, int32View } from './encode';
export {
  type DiffusersComponent,
  type DiffusersFolder,
  type JsonObject,
  type OpenPath,
  openDiffusersFolder,
} from './open-diffusers-folder';
export { openSafetensors, type SafetensorsFile } from './open-safetensors';
export { openSafetensorsShards, type SafetensorsShards } from './open-safetensors-shards';
export { openTorch, type TorchFile } from './open-torch';
export type { RangeSource } from './range-source';
export { readSafetensors, type Safetensors } from './read-safetensors';
export { readTorch, type TorchCheckpoint } from './read-torch';
export type { TensorInfo } from './safetensors-header';
export type { TensorFile } from './tensor-file';
export { bytesPerElement, DTYPES, type DType, isDType, type StateDict, type TensorView } from './tensor-view';
export type { TorchScalar } from './torch/collect-tensors';
export type { TorchOptions } from './torch/open-contents';
export { safetensorsPieces, writeSafetensors } from './write-safetensors';
