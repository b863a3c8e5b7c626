import { proxy } from 'comlink';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { LineChart, type Series } from '../../chart/line-chart';
import { Figure } from '../../components/figure';
import { SheetCanvas } from '../../components/sheet-canvas';
import { Workbench } from '../../components/workbench';
import type { DroppedFile } from '../../dropped-file';
import { formatCount, formatRate } from '../../format';
import type { ModelInfo, SampleFrame, SampleOutcome } from '../../protocol';
import { readSettings } from '../../settings/hash';
import { SAMPLE_DEFAULTS, SAMPLE_RANGES, type SampleSettings } from '../../settings/sample-settings';
import { useLinkedSettings } from '../../settings/use-linked-settings';
import { useFollowedLink } from '../../use-followed-link';
import { useJob } from '../../use-job';
import type { PanelProps } from '../panel-props';
import { ModelDrop } from './model-drop';
import { SampleControls } from './sample-controls';
import { SaveButtons } from './save-buttons';
import { Scrubber } from './scrubber';

const LINKED = {
  ranges: SAMPLE_RANGES,
  choices: { model: ['teacher', 'lite', 'sd', 'own'], sigmas: ['', 'karras', 'exponential', 'beta'] },
  fractions: ['eta', 'guidance'],
};

const SAMPLING = { label: 'Sampling', unit: 'steps' };
const LOADING = { label: 'Loading the model', unit: 'MB' };

/** Draws a batch and shows every step of it. */
export function SamplePanel({ client, ready, generation, active, values, onSettings }: PanelProps) {
  const [settings, change] = useLinkedSettings({ values, onSettings }, SAMPLE_DEFAULTS, LINKED);
  const [watch, setWatch] = useState(true);
  const [info, setInfo] = useState<ModelInfo>();
  const [frames, setFrames] = useState<readonly SampleFrame[]>([]);
  const [outcome, setOutcome] = useState<SampleOutcome>();
  /** The frame that is looked at; the newest where undefined. */
  const [chosen, setChosen] = useState<number>();
  const job = useJob();

  const run = useCallback(
    async (wanted: SampleSettings, watching: boolean) => {
      setChosen(undefined);
      setOutcome(undefined);
      setFrames([]);
      const collected: SampleFrame[] = [];
      const onFrame = (frame: SampleFrame) => {
        collected.push(frame);
        setFrames([...collected]);
      };
      const result = await job.run(SAMPLING, (onProgress) =>
        client.sample(wanted, watching, proxy(onFrame), proxy(onProgress)),
      );
      if (result !== undefined) setOutcome(result);
    },
    [client, job.run],
  );

  // A link that is followed says the settings, and is what is shown.
  useFollowedLink(ready && active, values, () => {
    void run(readSettings(values, SAMPLE_DEFAULTS, LINKED), watch);
  });

  useEffect(() => {
    if (!ready) return;
    let current = true;
    client.describe(settings.model).then(
      (described) => {
        if (current) setInfo(described);
      },
      () => {
        if (current) setInfo(undefined); // running says why
      },
    );
    return () => {
      current = false;
    };
  }, [client, ready, generation, settings.model]);

  const take = async (dropped: Promise<readonly DroppedFile[]>) => {
    const taken = await job.run(LOADING, async (onProgress) => {
      const files = await dropped;
      const [{ path, file } = { path: '', file: undefined }] = files;
      if (files.length === 1 && file !== undefined && /\.png$/i.test(path)) return client.settingsOf(file);
      return client.adopt(files, proxy(onProgress));
    });
    if (taken === undefined) return;
    if (!('ownSampler' in taken)) {
      change(taken);
      await run(taken, watch);
      return;
    }
    setInfo(taken);
    const next = change({ model: 'own', sampler: taken.ownSampler, sigmas: '', label: 0 });
    if (!taken.prompts || next.prompt !== '') return run(next, watch);
    setOutcome(undefined);
    setFrames([]);
  };

  const frame = frames[chosen ?? frames.length - 1];
  const shown = frame?.noisy ?? outcome?.images;
  const isDone = outcome !== undefined;
  const isLast = isDone && (frame === undefined || frame.step === frame.steps);
  return (
    <Workbench
      start={{ text: 'Sample', ready, run: () => void run(settings, watch) }}
      job={job}
      onCancel={() => void client.cancel('adopt', 'sample')}
      controls={<SampleControls settings={settings} info={info} watch={watch} onChange={change} onWatch={setWatch} />}
      below={<ModelDrop active={active} onFiles={take} />}
    >
      {info?.id === 'own' && settings.model === 'own' && <OwnModel info={info} isIdle={!job.running && !shown} />}
      <div class="pair">
        <Figure title={isLast ? 'Images' : 'x'} note={isLast ? undefined : noteOf(frame)}>
          <SheetCanvas sheet={shown} label={pictureLabel(settings, frame, isDone)} />
        </Figure>
        {(watch || frame !== undefined) && (
          <Figure title="Predicted x₀" note={frame && `the clean picture, as guessed at t = ${Math.round(frame.t)}`}>
            <SheetCanvas
              sheet={frame?.predicted}
              label={frame ? `The clean images as predicted at t = ${Math.round(frame.t)}` : ''}
            />
          </Figure>
        )}
      </div>
      {frames.length > 0 && (
        <Scrubber count={frames.length} chosen={chosen} onChoose={setChosen} running={job.running !== undefined} />
      )}
      {outcome && (
        <p class="facts">
          <b>{formatRate(outcome.stepsPerSecond)}</b> steps per second
          {settings.batch > 1 ? ` of ${outcome.settings.batch} images` : ''} · <b>{outcome.seconds.toFixed(1)} s</b> in
          all
          {info && (
            <>
              {' '}
              · {formatCount(info.parameters)} parameters · {formatCount(info.macs)} MACs a step and image
            </>
          )}
        </p>
      )}
      {outcome && <SaveButtons client={client} outcome={outcome} onFail={job.fail} />}
      {(frame || outcome) && <SpectrumChart frame={frame} outcome={outcome} />}
    </Workbench>
  );
}

/** What is known of a dropped model, and what was assumed. */
function OwnModel({ info: { label, notes, prompts, pixels }, isIdle }: { info: ModelInfo; isIdle: boolean }) {
  return (
    <p class="muted">
      <b>{label}</b> draws {pixels} × {pixels} pixels. {notes.join(' ')}
      {isIdle && prompts && ' Say in a prompt what it shall show, and press Sample.'}
    </p>
  );
}

function pictureLabel({ batch, seed, model }: SampleSettings, frame: SampleFrame | undefined, isDone: boolean): string {
  const what = `${batch} pictures of seed ${seed} by ${model}`;
  if (frame && !isDone) return `${what}, noisy after step ${frame.step} of ${frame.steps}`;
  return frame ? `${what}, after step ${frame.step} of ${frame.steps}` : what;
}

function noteOf(frame: SampleFrame | undefined): string | undefined {
  return frame && `the noisy picture, after step ${frame.step} of ${frame.steps}`;
}

const X_AXIS = { label: 'frequency, as a fraction of Nyquist’s', min: 0, max: 1 };
const Y_AXIS = { label: 'power', log: true, min: 1e-4, max: 100 };

function SpectrumChart({ frame, outcome }: { frame: SampleFrame | undefined; outcome: SampleOutcome | undefined }) {
  const series: Series[] = [];
  if (frame) {
    const { noisySpectrum: noisy, predictedSpectrum: predicted } = frame;
    series.push({ name: 'x', x: noisy.frequency, y: noisy.power, color: 'var(--muted)', dash: '2 3' });
    series.push({ name: 'predicted x₀', x: predicted.frequency, y: predicted.power, color: 'var(--sd)' });
  }
  if (outcome) {
    const { frequency, power } = outcome.spectrum;
    series.push({ name: 'result', x: frequency, y: power, color: 'var(--data)', dash: '7 4', width: 1.5 });
  }
  return (
    <Figure title="Radial spectra" note="of the decoded pictures: low frequencies settle first">
      <LineChart
        label="Power over frequency of x, of the predicted clean images, and of the result"
        x={X_AXIS}
        y={Y_AXIS}
        series={series}
      />
    </Figure>
  );
}
