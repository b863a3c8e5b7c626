import type { PresetName } from '@sd/unet';

/** What the paper prints of a model; left out where it prints nothing. */
export type PublishedModel = {
  readonly dataset: string;
  readonly model: 'LDM' | 'Lite-LDM' | 'SD';
  /** Our configuration of it. */
  readonly preset: PresetName;
  readonly parameters?: string;
  readonly macs?: string;
  readonly fid?: number;
};

/** Yang et al. 2023: Table 2, unconditional models at 256 px. */
export const UNCONDITIONAL: readonly PublishedModel[] = [
  { dataset: 'FFHQ', model: 'LDM', preset: 'ldm-ffhq', parameters: '274.1 M', macs: '96.1 G', fid: 4.98 },
  { dataset: 'FFHQ', model: 'Lite-LDM', preset: 'lite-ffhq', parameters: '22.4 M', macs: '7.9 G', fid: 17.3 },
  { dataset: 'FFHQ', model: 'SD', preset: 'sd-ffhq', parameters: '21.1 M', macs: '6.7 G', fid: 10.5 },
  { dataset: 'CelebA-HQ', model: 'LDM', preset: 'ldm-celebahq', parameters: '274.1 M', macs: '96.1 G', fid: 5.11 },
  { dataset: 'CelebA-HQ', model: 'Lite-LDM', preset: 'lite-celebahq', parameters: '22.4 M', macs: '7.9 G', fid: 18.3 },
  { dataset: 'CelebA-HQ', model: 'SD', preset: 'sd-celebahq', parameters: '21.1 M', macs: '6.7 G', fid: 9.3 },
  {
    dataset: 'LSUN-Bedroom',
    model: 'LDM',
    preset: 'ldm-lsun-bedroom',
    parameters: '274.1 M',
    macs: '96.1 G',
    fid: 2.95,
  },
  { dataset: 'LSUN-Bedroom', model: 'Lite-LDM', preset: 'lite-lsun-bedroom', parameters: '22.4 M', macs: '7.9 G' },
  { dataset: 'LSUN-Bedroom', model: 'SD', preset: 'sd-lsun-bedroom', parameters: '21.1 M', macs: '6.7 G', fid: 5.2 },
  { dataset: 'LSUN-Church', model: 'LDM', preset: 'ldm-lsun-church', parameters: '295.0 M', macs: '18.7 G', fid: 4.02 },
  { dataset: 'LSUN-Church', model: 'Lite-LDM', preset: 'lite-lsun-church', parameters: '32.8 M' },
  { dataset: 'LSUN-Church', model: 'SD', preset: 'sd-lsun-church', parameters: '33.8 M', macs: '2.1 G', fid: 8.4 },
];

/** Table 3: ImageNet at 256 px with guidance of w = 3.0. */
export const CLASS_CONDITIONAL: readonly PublishedModel[] = [
  { dataset: 'ImageNet', model: 'LDM', preset: 'ldm-imagenet', parameters: '400.9 M', macs: '99.8 G', fid: 3.6 },
  { dataset: 'ImageNet', model: 'Lite-LDM', preset: 'lite-imagenet', parameters: '47.0 M', fid: 20.1 },
  { dataset: 'ImageNet', model: 'SD', preset: 'sd-imagenet', parameters: '45.4 M', macs: '9.9 G', fid: 10.6 },
];

/** Table 4: MS-COCO, zero-shot, with guidance. */
export const TEXT_TO_IMAGE: readonly PublishedModel[] = [
  { dataset: 'MS-COCO', model: 'LDM', preset: 'ldm-coco', parameters: '1.45 B with the text encoder', fid: 12.6 },
  { dataset: 'MS-COCO', model: 'Lite-LDM', preset: 'lite-coco' },
  { dataset: 'MS-COCO', model: 'SD', preset: 'sd-coco', parameters: '77.6 M', fid: 18.87 },
];

/** Table 5, the ablation on FFHQ: FID by row. */
export const ABLATION_FID = {
  lite: 17.3,
  wg: 14.7,
  'no-wg': 12.4,
  'no-spatial': 11.4,
  'no-freq': 12.3,
  full: 10.5,
} as const;
