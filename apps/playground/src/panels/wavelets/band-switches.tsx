const DETAILS = [
  ['lh', 'LH', 'horizontal edges'],
  ['hl', 'HL', 'vertical edges'],
  ['hh', 'HH', 'diagonal detail'],
] as const;

/** A switch for each band, with its share of the energy. */
export function BandSwitches({
  levels,
  energy,
  off,
  onChange,
}: {
  levels: number;
  energy: Readonly<Record<string, number>>;
  off: readonly string[];
  onChange: (off: readonly string[]) => void;
}) {
  const names = [
    'll',
    ...Array.from({ length: levels }, (_, i) => DETAILS.map(([band]) => `${levels - i}${band}`)).flat(),
  ];
  const toggle = (name: string) =>
    onChange(off.includes(name) ? off.filter((other) => other !== name) : [...off, name]);
  const button = (name: string, text: string, meaning: string) => (
    <button
      key={name}
      type="button"
      class="band"
      aria-pressed={!off.includes(name)}
      aria-label={`${text}, ${meaning}`}
      onClick={() => toggle(name)}
    >
      {text} <small>{share(energy[name] ?? 0)}</small>
    </button>
  );
  return (
    <fieldset>
      <legend>Bands, with their share of the energy</legend>
      <div class="bands">
        {button('ll', 'LL', 'coarse')}
        {Array.from({ length: levels }, (_, i) => levels - i).map((level) => (
          <div key={level} class="level">
            {DETAILS.map(([band, text, meaning]) =>
              button(`${level}${band}`, `${text}${level}`, `${meaning}, level ${level}`),
            )}
          </div>
        ))}
      </div>
      <div class="buttons">
        <button type="button" onClick={() => onChange([])}>
          All on
        </button>
        <button type="button" onClick={() => onChange(names.slice(1))}>
          LL alone
        </button>
        <button type="button" onClick={() => onChange(['ll'])}>
          All but LL
        </button>
      </div>
    </fieldset>
  );
}

function share(energy: number): string {
  const percent = 100 * energy;
  return percent >= 1 ? `${percent.toFixed(0)} %` : `${percent.toPrecision(1)} %`;
}
