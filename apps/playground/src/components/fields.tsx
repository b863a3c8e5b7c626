import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';

type Common = { readonly label: string; readonly hint?: ComponentChildren };

type Valued<T> = Common & { readonly value: T; readonly onChange: (value: T) => void };

/** A control under its name, with what helps to choose below it. */
function Field({
  label,
  hint,
  output,
  children,
}: Common & {
  /** The value, where the control does not show it. */
  readonly output?: string;
  readonly children: (id: string) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {label} {output !== undefined && <output for={id}>{output}</output>}
      </label>
      {children(id)}
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}

export function SelectField({
  value,
  options,
  onChange,
  ...common
}: Valued<string> & { readonly options: readonly (readonly [value: string, text: string])[] }) {
  return (
    <Field {...common}>
      {(id) => (
        <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Keeps what is being typed until it is taken: the panel may be drawn anew in between, as while it samples. */
function useDraft(value: string, take: (text: string) => void) {
  type Typing = { readonly currentTarget: { readonly value: string } };
  const [draft, setDraft] = useState<string>();
  return {
    value: draft ?? value,
    onInput: ({ currentTarget }: Typing) => setDraft(currentTarget.value),
    onChange: ({ currentTarget }: Typing) => {
      take(currentTarget.value);
      setDraft(undefined);
    },
  };
}

/** A text of some lines; Enter asks for what the form does, as in a field of one line. */
export function TextField({ value, rows = 2, onChange, ...common }: Valued<string> & { readonly rows?: number }) {
  const typed = useDraft(value, onChange);
  return (
    <Field {...common}>
      {(id) => (
        <textarea
          id={id}
          {...typed}
          rows={rows}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            event.currentTarget.blur(); // the text is taken before the form is sent
            const { form } = event.currentTarget;
            queueMicrotask(() => form?.requestSubmit());
          }}
        />
      )}
    </Field>
  );
}

type Ranged = Valued<number> & { readonly min: number; readonly max: number; readonly step?: number };

/** A number that is typed; what is out of range is taken back to it. */
export function NumberField({ value, min, max, step = 1, onChange, ...common }: Ranged) {
  const take = (text: string) => {
    const number = Number(text);
    if (text.trim() === '' || !Number.isFinite(number)) return;
    const rounded = Number.isInteger(step) ? Math.round(number) : number;
    onChange(Math.min(max, Math.max(min, rounded)));
  };
  const typed = useDraft(String(value), take);
  return (
    <Field {...common}>
      {(id) => (
        <input
          id={id}
          type="number"
          inputMode={Number.isInteger(step) ? 'numeric' : 'decimal'}
          {...{ min, max, step }}
          {...typed}
        />
      )}
    </Field>
  );
}

export function SliderField({
  value,
  min,
  max,
  step = 1,
  text = String(value),
  onChange,
  ...common
}: Ranged & {
  /** What is read out and shown for the value. */
  readonly text?: string;
}) {
  return (
    <Field {...common} output={text}>
      {(id) => (
        <input
          id={id}
          type="range"
          {...{ value, min, max, step }}
          aria-valuetext={text}
          onInput={(event) => onChange(Number(event.currentTarget.value))}
        />
      )}
    </Field>
  );
}

export function CheckField({
  label,
  checked,
  onChange,
}: {
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      {label}
    </label>
  );
}
