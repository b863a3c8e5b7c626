import { useEffect, useMemo, useState } from 'preact/hooks';
import { LineChart, type Series } from '../../chart/line-chart';
import { SliderField } from '../../components/fields';
import { Figure } from '../../components/figure';
import { Workbench } from '../../components/workbench';
import type { FilterResponse } from '../../protocol';
import { useLinkedSettings } from '../../settings/use-linked-settings';
import type { PanelProps } from '../panel-props';

const DEFAULTS = { t: 400, exponent: 2 };
const LINKED = { ranges: { t: [0, 999], exponent: [0, 4] }, fractions: ['exponent'] } as const;
const OTHERS = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900];
const X_AXIS = { label: 'frequency f', log: true, min: 0.1, max: 100 };

/** Figure 3: the optimal linear denoiser opens as the noise falls. */
export function WienerPanel({ client, values, onSettings }: PanelProps) {
  const [{ t, exponent }, change] = useLinkedSettings({ values, onSettings }, DEFAULTS, LINKED);
  const [responses, setResponses] = useState<readonly FilterResponse[]>([]);

  useEffect(() => {
    let current = true;
    void client.filterResponses([...OTHERS, t], exponent).then((made) => {
      if (current) setResponses(made);
    });
    return () => {
      current = false;
    };
  }, [client, t, exponent]);

  const own = responses.at(-1);
  const series = useMemo(() => signalSeries(responses), [responses]);
  return (
    <Workbench
      controls={
        <>
          <SliderField
            label="Timestep t"
            value={t}
            min={0}
            max={999}
            onChange={(next) => change({ t: next })}
            hint={
              own &&
              `ᾱ = ${own.alphaCumprod.toPrecision(3)}: ${(100 * own.alphaCumprod).toPrecision(2)} % of the power is image`
            }
          />
          <SliderField
            label="Exponent a of the spectrum 1 / fᵃ"
            value={exponent}
            min={0}
            max={4}
            step={0.1}
            text={exponent.toFixed(1)}
            onChange={(next) => change({ exponent: next })}
            hint="Photographs have about 2."
          />
          {own && (
            <p class="hint">
              The filter falls to half its power at <b>f = {halfPower(own)}</b>.
            </p>
          )}
        </>
      }
    >
      <Figure title="|G|²" note="of the filter that estimates the image, relative to its largest value">
        <LineChart
          label={`Response of the optimal signal filter over frequency at t = ${t}, and at other timesteps`}
          x={X_AXIS}
          y={{ label: 'relative power', min: 0, max: 1 }}
          series={series}
          height={300}
        />
      </Figure>
      <Figure title="H" note="of the filter that estimates the noise; the paper prints it without √(1 − ᾱ)">
        <LineChart
          label={`Response of the optimal noise filter over frequency at t = ${t}`}
          x={X_AXIS}
          y={{ label: 'H', min: 0 }}
          series={
            own
              ? [
                  { name: 'optimal', x: own.frequency, y: own.noise, color: 'var(--sd)' },
                  { name: 'as printed', x: own.frequency, y: own.noisePublished, color: 'var(--lite)', dash: '7 4' },
                ]
              : []
          }
        />
      </Figure>
      <p class="muted">
        The best linear denoiser of x_t = √ᾱ x₀ + √(1 − ᾱ) ε is a low pass whose band grows as the noise falls. A small
        network cannot follow with fixed filters; wavelet gates can. f is in units of the frequency at which the image’s
        spectrum has the noise’s power.
      </p>
    </Workbench>
  );
}

function relative({ signal }: FilterResponse): number[] {
  const most = Math.max(...signal);
  return signal.map((value) => value / most);
}

function signalSeries(responses: readonly FilterResponse[]): Series[] {
  return responses.map((response, i) => {
    const isOwn = i === responses.length - 1;
    return {
      name: isOwn ? `t = ${response.t}` : `t ${response.t}`,
      x: response.frequency,
      y: relative(response),
      color: isOwn ? 'var(--sd)' : 'var(--axis)',
      width: isOwn ? 3 : 1.25,
      quiet: !isOwn,
    };
  });
}

function halfPower(response: FilterResponse): string {
  const at = relative(response).findIndex((value) => value < 0.5);
  return at < 0 ? 'above 100' : response.frequency[at].toPrecision(2);
}
