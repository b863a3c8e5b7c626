import { proxy } from 'comlink';
import { useState } from 'preact/hooks';
import { BarChart } from '../../chart/bar-chart';
import { LineChart } from '../../chart/line-chart';
import { NumberField } from '../../components/fields';
import { Figure } from '../../components/figure';
import { SeedField } from '../../components/run-fields';
import { Workbench } from '../../components/workbench';
import { formatCount } from '../../format';
import type { ToyFrame, ToyModel } from '../../protocol';
import { useLinkedSettings } from '../../settings/use-linked-settings';
import { useJob } from '../../use-job';
import type { PanelProps } from '../panel-props';

const DEFAULTS = { steps: 1000, seed: 0 };
const LINKED = { ranges: { steps: [10, 20_000], seed: [0, 2 ** 31 - 1] } } as const;
const SAMPLES = 300;
const RARE = { frequency: 3, probability: 0.2 };
const COMMON = { frequency: 5, probability: 0.8 };

const TASK = { label: 'Training', unit: 'steps' };

/** Figure 4: a narrow and a wide network on signals of two frequencies. */
export function ToyPanel({ client, ready, values, onSettings }: PanelProps) {
  const [settings, change] = useLinkedSettings({ values, onSettings }, DEFAULTS, LINKED);
  const [frame, setFrame] = useState<ToyFrame>();
  const job = useJob();

  const run = async () => {
    setFrame(undefined);
    const last = await job.run(TASK, (onProgress) =>
      client.toy({ ...settings, samples: SAMPLES }, proxy(setFrame), proxy(onProgress)),
    );
    if (last !== undefined) setFrame(last);
  };
  return (
    <Workbench
      start={{ text: 'Train both', ready, run: () => void run() }}
      job={job}
      onCancel={() => void client.cancel('toy')}
      controls={
        <>
          <NumberField
            label="Training steps"
            value={settings.steps}
            min={10}
            max={20_000}
            onChange={(steps) => change({ steps })}
          />
          <SeedField value={settings.seed} onChange={(seed) => change({ seed })} />
          <p class="hint">
            Signals cos(a 2π x): a is 3 with probability 0.2, else 5. Two perceptrons of two layers learn to denoise
            them, on the same signals and noise.
          </p>
        </>
      }
    >
      {frame === undefined && !job.running && (
        <p class="muted">Train to see which frequencies {SAMPLES} samples of each network have.</p>
      )}
      {frame && (
        <p class="facts" data-step={frame.step}>
          After <b>{frame.step}</b> of {frame.steps} training steps
        </p>
      )}
      <div class="pair">
        {frame?.models.map((model) => (
          <ToyFigure key={model.width} model={model} samples={frame.samples} />
        ))}
      </div>
    </Workbench>
  );
}

function ToyFigure({ model, samples }: { model: ToyModel; samples: number }) {
  const { width, parameters, loss, histogram, examples } = model;
  const expected = histogram.map((_, a) =>
    a === RARE.frequency ? RARE.probability * samples : a === COMMON.frequency ? COMMON.probability * samples : 0,
  );
  const part = (count: number) => `${((100 * count) / samples).toFixed(0)} %`;
  const others = samples - histogram[RARE.frequency] - histogram[COMMON.frequency];
  return (
    <div class="stack">
      <Figure title={`M = ${width}`} note={`${formatCount(parameters)} parameters, loss ${loss.toFixed(3)}`}>
        <BarChart
          label={`Samples by frequency for a hidden width of ${width}`}
          x="frequency a of the largest coefficient"
          y="samples"
          bars={histogram.map((value, a) => ({
            text: a === histogram.length - 1 ? `${a}+` : String(a),
            value,
            expected: expected[a],
          }))}
          max={samples}
        />
      </Figure>
      <p class="muted">
        a = 3: {part(histogram[RARE.frequency])} (should be 20 %) · a = 5: {part(histogram[COMMON.frequency])} (80 %) ·
        other frequencies: {part(others)}
      </p>
      <Figure title="Samples">
        <LineChart
          label={`${examples.length} signals drawn from the network of width ${width}`}
          x={{ label: 'x', min: 0, max: 1 }}
          y={{ label: 'value' }}
          series={examples.map((signal, i) => ({
            name: `sample ${i + 1}`,
            x: signal.map((_, p) => p / signal.length),
            y: signal,
            color: ['var(--sd)', 'var(--lite)', 'var(--teacher)'][i],
            dash: ['', '7 4', '2 3'][i],
            width: 1.5,
          }))}
          height={170}
        />
      </Figure>
    </div>
  );
}
