/** @jsxImportSource preact */
import { BAND_LINES, BANDS } from '../line-style';
import { Legend } from '../parts/legend';
import { NumbersTable } from '../parts/numbers-table';
import { Section } from '../parts/section';
import type { GateCurve } from '../report-data';
import { GateFigure } from './gate-figure';

const DIRECTIONS = [
  { direction: 'down', title: 'WG-Down: on the way into the net' },
  { direction: 'up', title: 'WG-Up: on the way out' },
] as const;

/** The paper's Figure 9 for this run's model. */
export function Gates({ gates }: { readonly gates: readonly GateCurve[] }) {
  const numbered = gates.map((gate, index) => ({ gate, index }));
  return (
    <Section
      id="gates"
      title="What the gates do over time"
      lead="Wavelet gating splits features into a coarse band and three detail bands and weighs each anew at every step: 0 shuts a band off, 1 lets it through. The paper’s Figure 9, for this run’s SD."
    >
      {gates.length === 0 ? (
        <p class="muted">No gates were recorded in this run.</p>
      ) : (
        <>
          <Legend
            entries={BANDS.map(({ key, label, meaning }) => ({ label, note: meaning, style: BAND_LINES[key] }))}
          />
          <div class="pair">
            {DIRECTIONS.map(({ direction, title }) => {
              const own = numbered.filter(({ gate }) => gate.direction === direction);
              if (own.length === 0) return null;
              return (
                <div key={direction} class={own.length > 1 ? 'direction wide' : 'direction'}>
                  <h3>{title}</h3>
                  <div class="multiples">
                    {own.map(({ gate, index }) => (
                      <GateFigure key={index} id={`gate${index}`} gate={gate} />
                    ))}
                  </div>
                </div>
              );
            })}
          </div>
          <p class="note">
            Lines are means over images and channels, shades one standard deviation on either side. In WG-Up the bands
            are the four quarters of the channels, which the inverse transform reads as LL, LH, HL and HH.
          </p>
          <NumbersTable
            caption="The gates as numbers"
            columns={['Module', 't', ...BANDS.map(({ label }) => label)]}
            rows={gates.flatMap(({ module, t, bands }) =>
              t.map((time, i) => [
                module,
                String(time),
                ...BANDS.map(({ key }) => `${bands[key].mean[i]?.toFixed(3)} ± ${bands[key].deviation[i]?.toFixed(3)}`),
              ]),
            )}
          />
        </>
      )}
    </Section>
  );
}
