import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

type Common = { readonly label: string; readonly hint?: ComponentChildren; readonly disabled?: boolean };

export function SelectField({
  label,
  hint,
  value,
  options,
  onChange,
  disabled = false,
}: Common & {
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly onChange: (value: string) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}

/** A text of some lines; Enter asks for what the form does, as in a field of one line. */
export function TextField({
  label,
  hint,
  value,
  rows = 2,
  onChange,
  disabled = false,
}: Common & { readonly value: string; readonly rows?: number; readonly onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        value={value}
        rows={rows}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          event.currentTarget.blur(); // the text is taken before the form is sent
          const { form } = event.currentTarget;
          queueMicrotask(() => form?.requestSubmit());
        }}
      />
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}

/** A number that is typed; what is out of range is taken back to it. */
export function NumberField({
  label,
  hint,
  value,
  min,
  max,
  step = 1,
  onChange,
  disabled = false,
}: Common & {
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
  readonly onChange: (value: number) => void;
}) {
  const id = useId();
  const take = (text: string) => {
    const number = Number(text);
    if (text.trim() === '' || !Number.isFinite(number)) return;
    const rounded = Number.isInteger(step) ? Math.round(number) : number;
    onChange(Math.min(max, Math.max(min, rounded)));
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        inputMode={Number.isInteger(step) ? 'numeric' : 'decimal'}
        value={value}
        min={min}
        max={max}
        step={step}
        disabled={disabled}
        onChange={(event) => {
          take(event.currentTarget.value);
          event.currentTarget.value = String(value);
        }}
      />
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}

export function SliderField({
  label,
  hint,
  value,
  min,
  max,
  step = 1,
  text = String(value),
  onChange,
  disabled = false,
}: Common & {
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
  /** What is read out and shown for the value. */
  readonly text?: string;
  readonly onChange: (value: number) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {label} <output for={id}>{text}</output>
      </label>
      <input
        id={id}
        type="range"
        value={value}
        min={min}
        max={max}
        step={step}
        aria-valuetext={text}
        disabled={disabled}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}

export function CheckField({
  label,
  checked,
  onChange,
  disabled = false,
}: Common & { readonly checked: boolean; readonly onChange: (checked: boolean) => void }) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      {label}
    </label>
  );
}
