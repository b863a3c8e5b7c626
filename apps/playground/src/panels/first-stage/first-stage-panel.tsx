import { proxy } from 'comlink';
import { useEffect, useState } from 'preact/hooks';
import { LineChart } from '../../chart/line-chart';
import { SelectField } from '../../components/fields';
import { Figure } from '../../components/figure';
import { PictureField } from '../../components/picture-field';
import { SheetCanvas } from '../../components/sheet-canvas';
import { Workbench } from '../../components/workbench';
import { formatCount } from '../../format';
import type { FirstStageOutcome } from '../../protocol';
import { useLinkedSettings } from '../../settings/use-linked-settings';
import { useJob } from '../../use-job';
import type { PanelProps } from '../panel-props';

const DEFAULTS = { size: 128, stage: 'bundled' };
const SIZES = [64, 128, 256, 512];
const LINKED = { ranges: { size: [64, 512] }, choices: { stage: ['bundled', 'own'] } } as const;

const TASK = { label: 'Encoding and decoding', unit: 'tiles' };

/** A photograph there and back: what high frequencies the latent keeps. */
export function FirstStagePanel({ client, ready, active, values, onSettings }: PanelProps) {
  const [{ size: wanted, stage }, change] = useLinkedSettings({ values, onSettings }, DEFAULTS, LINKED);
  const size = SIZES.includes(wanted) ? wanted : DEFAULTS.size;
  const [file, setFile] = useState<File | null>(null);
  const [outcome, setOutcome] = useState<FirstStageOutcome>();
  const job = useJob();

  useEffect(() => {
    if (!ready || !active) return;
    void job
      .run(TASK, (onProgress) => client.firstStage(file, size, stage === 'own', proxy(onProgress)))
      .then((made) => {
        if (made !== undefined) setOutcome(made);
      });
  }, [ready, active, file, size, stage]);

  return (
    <Workbench
      job={job}
      onCancel={() => void client.cancel('first-stage')}
      controls={
        <>
          <PictureField file={file} active={active} onFile={setFile} />
          <SelectField
            label="Scaled and cut to"
            value={String(size)}
            options={SIZES.map((side) => [String(side), `${side} × ${side} pixels`])}
            onChange={(side) => change({ size: Number(side) })}
          />
          <SelectField
            label="First stage"
            value={stage}
            options={[
              ['bundled', 'The page’s'],
              ['own', 'Of your own model'],
            ]}
            onChange={(next) => change({ stage: next })}
          />
        </>
      }
    >
      {outcome && <Result outcome={outcome} />}
    </Workbench>
  );
}

function Result({ outcome }: { outcome: FirstStageOutcome }) {
  const { original, decoded, difference, latent, latentShape, pixels, psnr, spectra, parameters } = outcome;
  const [h, w, c] = latentShape;
  const kept = spectra.decoded.power.map((power, i) => power / spectra.original.power[i]);
  return (
    <>
      <div class="trio">
        <Figure title="Picture">
          <SheetCanvas sheet={original} label="The picture" />
        </Figure>
        <Figure title="Decoded" note={`PSNR ${psnr.toFixed(1)} dB`}>
          <SheetCanvas sheet={decoded} label="The picture, encoded and decoded" />
        </Figure>
        <Figure title="Difference" note="four times, around grey">
          <SheetCanvas sheet={difference} label="Four times the difference" />
        </Figure>
      </div>
      <p class="facts">
        {pixels} × {pixels} × 3 numbers become{' '}
        <b>
          {h} × {w} × {c}
        </b>
        , {((pixels * pixels * 3) / (h * w * c)).toFixed(1)} times fewer · {formatCount(parameters)} parameters
      </p>
      <div class="pair">
        <Figure title="Radial spectra">
          <LineChart
            label="Power over frequency of the picture and of what is decoded"
            x={{ label: 'frequency, as a fraction of Nyquist’s', min: 0, max: 1 }}
            y={{ label: 'power', log: true }}
            series={[
              { name: 'picture', x: spectra.original.frequency, y: spectra.original.power, color: 'var(--data)' },
              {
                name: 'decoded',
                x: spectra.decoded.frequency,
                y: spectra.decoded.power,
                color: 'var(--sd)',
                dash: '7 4',
              },
            ]}
          />
        </Figure>
        <Figure title="Power that is kept">
          <LineChart
            label="Power of what is decoded over that of the picture, by frequency"
            x={{ label: 'frequency, as a fraction of Nyquist’s', min: 0, max: 1 }}
            y={{ label: 'ratio', min: 0, max: Math.max(1.2, ...kept) }}
            series={[{ name: 'decoded / picture', x: spectra.original.frequency, y: kept, color: 'var(--sd)' }]}
          />
        </Figure>
      </div>
      <Figure narrow title="Latent" note={`its ${c} channels, each over its own range`}>
        <SheetCanvas sheet={latent} label={`The ${c} channels of the latent`} />
      </Figure>
    </>
  );
}
