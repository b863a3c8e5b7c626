import { proxy } from 'comlink';
import { useEffect, useState } from 'preact/hooks';
import { SelectField, SliderField } from '../../components/fields';
import { Figure } from '../../components/figure';
import { PictureField } from '../../components/picture-field';
import { SheetCanvas } from '../../components/sheet-canvas';
import { Workbench } from '../../components/workbench';
import type { WaveletOutcome } from '../../protocol';
import { useLinkedSettings } from '../../settings/use-linked-settings';
import { useJob } from '../../use-job';
import type { PanelProps } from '../panel-props';
import { BandSwitches } from './band-switches';
import { FAMILIES, familyOf } from './families';

const DEFAULTS = { wavelet: 'haar', mode: 'periodization', level: 3, off: '' };
const MODES = ['periodization', 'symmetric', 'reflect', 'zero'];
const LINKED = { ranges: { level: [1, 8] }, choices: { mode: MODES } } as const;

const TASK = { label: 'Transforming', unit: 'parts' };

/** A picture's wavelet pyramid, whose bands can be switched off. */
export function WaveletsPanel({ client, ready, active, values, onSettings }: PanelProps) {
  const [settings, change] = useLinkedSettings({ values, onSettings }, DEFAULTS, LINKED);
  const [names, setNames] = useState<readonly string[]>([]);
  const [file, setFile] = useState<File | null>(null);
  const [outcome, setOutcome] = useState<WaveletOutcome>();
  const job = useJob();
  const { wavelet, mode, level } = settings;
  const off = settings.off === '' ? [] : settings.off.split(' ');

  useEffect(() => {
    void client.waveletNames().then(setNames);
  }, [client]);
  useEffect(() => {
    if (!ready || !active) return;
    void job
      .run(TASK, (onProgress) => client.wavelets(file, { wavelet, mode, level, off }, proxy(onProgress)))
      .then((made) => {
        if (made !== undefined) setOutcome(made);
      });
  }, [ready, active, file, settings]);

  const family = familyOf(wavelet);
  const members = names.filter((name) => familyOf(name) === family);
  return (
    <Workbench
      job={job}
      onCancel={() => void client.cancel('wavelets')}
      controls={
        <>
          <PictureField file={file} active={active} onFile={setFile} />
          <SelectField
            label="Family"
            value={family}
            options={FAMILIES.map(({ prefix, name }) => [prefix, name])}
            onChange={(prefix) => change({ wavelet: names.find((name) => familyOf(name) === prefix) ?? 'haar' })}
          />
          {members.length > 1 && (
            <SelectField
              label="Wavelet"
              value={wavelet}
              options={members.map((name) => [name, name])}
              onChange={(name) => change({ wavelet: name })}
            />
          )}
          <SelectField
            label="Beyond the border"
            value={mode}
            options={MODES.map((name) => [name, name])}
            onChange={(next) => change({ mode: next })}
          />
          <SliderField
            label="Levels"
            value={Math.min(level, outcome?.maxLevels ?? level)}
            min={1}
            max={outcome?.maxLevels ?? 8}
            onChange={(next) => change({ level: next })}
          />
          {outcome && (
            <BandSwitches
              levels={outcome.levels}
              energy={outcome.energy}
              off={off}
              onChange={(next) => change({ off: next.join(' ') })}
            />
          )}
        </>
      }
    >
      <Figure narrow title="Pyramid" note="coarse at the top left; edges around grey, faint ones raised">
        <SheetCanvas sheet={outcome?.pyramid} label={`Wavelet pyramid of the picture in ${wavelet}`} />
      </Figure>
      <div class="pair">
        <Figure title="Original">
          <SheetCanvas sheet={outcome?.original} label="The picture" />
        </Figure>
        <Figure title="Reconstruction" note={outcome && `PSNR ${formatPsnr(outcome.psnr)}`}>
          <SheetCanvas sheet={outcome?.reconstruction} label="What the bands that are left give back" />
        </Figure>
      </div>
    </Workbench>
  );
}

export function formatPsnr(psnr: number): string {
  return Number.isFinite(psnr) ? `${psnr.toFixed(1)} dB` : 'infinite: no pixel differs';
}
