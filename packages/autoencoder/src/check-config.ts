import { ArgumentError, checkInteger, checkRange } from '@sd/core';
import { type AutoencoderArchitecture, type AutoencoderConfig, downsampleFactor } from './config';
import { checkBeta } from './vector-quantizer';

/**
 * @param kind the only kind that is allowed, where there is but one.
 * @throws {ArgumentError} that names the first field whose value no first stage can have.
 */
export function checkAutoencoderConfig(config: AutoencoderConfig, kind?: AutoencoderConfig['kind']): void {
  const op = 'AutoencoderConfig';
  if (kind !== undefined && config.kind !== kind) throw new ArgumentError(op, 'kind', `'${kind}'`, config.kind);
  if (config.kind !== 'kl' && config.kind !== 'vq') {
    throw new ArgumentError(op, 'kind', "'kl' or 'vq'", (config as { kind?: unknown }).kind);
  }
  checkArchitecture(op, config);
  const doubleZ = config.kind === 'kl';
  if (config.doubleZ !== doubleZ)
    throw new ArgumentError(op, 'doubleZ', `${doubleZ} for ${config.kind}`, config.doubleZ);
  if (config.kind === 'vq') {
    checkInteger(op, 'nEmbed', config.nEmbed);
    checkBeta(op, config.beta);
    checkFlag(op, 'legacyBeta', config.legacyBeta);
  } else {
    checkFlag(op, 'quantConv', config.quantConv);
    if (config.quantConv === false && config.embedDim !== config.zChannels) {
      throw new ArgumentError(op, 'embedDim', `zChannels (${config.zChannels}) without quantConv`, config.embedDim);
    }
  }
}

function checkFlag(op: string, name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw new ArgumentError(op, name, 'true or false', value);
}

function checkArchitecture(op: string, config: AutoencoderArchitecture): void {
  const { chMult, attnResolutions, attnType, resolution, dropout } = config;
  for (const name of ['ch', 'numResBlocks', 'inChannels', 'outCh', 'resolution', 'zChannels', 'embedDim'] as const) {
    checkInteger(op, name, config[name]);
  }
  checkInteger(op, 'normGroups', config.normGroups);
  if (!Array.isArray(chMult) || chMult.length === 0)
    throw new ArgumentError(op, 'chMult', 'a list of integers', chMult);
  for (const multiplier of chMult) checkInteger(op, 'chMult', multiplier);
  const factor = downsampleFactor(config);
  if (resolution % factor !== 0) throw new ArgumentError(op, 'resolution', `a multiple of ${factor}`, resolution);
  if (attnType !== 'vanilla' && attnType !== 'none')
    throw new ArgumentError(op, 'attnType', "'vanilla' or 'none'", attnType);
  if (config.norm !== 'group' && config.norm !== 'none')
    throw new ArgumentError(op, 'norm', "'group' or 'none'", config.norm);
  if (config.init !== 'torch' && config.init !== 'linear')
    throw new ArgumentError(op, 'init', "'torch' or 'linear'", config.init);
  if (!Array.isArray(attnResolutions))
    throw new ArgumentError(op, 'attnResolutions', 'a list of integers', attnResolutions);
  // LDM ignores a size that no level has, which only hides a mistake
  const sizes = chMult.map((_, level) => resolution / 2 ** level);
  for (const size of attnResolutions) {
    if (!sizes.includes(size)) throw new ArgumentError(op, 'attnResolutions', `among ${sizes.join(', ')}`, size);
  }
  checkRange(op, 'dropout', dropout, 0, 1 - 2 ** -20);
  for (const name of ['scaleFactor', 'shiftFactor'] as const) {
    const value = config[name];
    if (value !== undefined && !Number.isFinite(value)) throw new ArgumentError(op, name, 'a finite number', value);
  }
}
