import { CheckField, NumberField, SelectField, SliderField, TextField } from '../../components/fields';
import { SeedField, StepsField } from '../../components/run-fields';
import type { ModelId } from '../../model-id';
import type { ModelInfo } from '../../protocol';
import { SAMPLE_RANGES, type SampleSettings } from '../../settings/sample-settings';
import { useIsWide } from '../../use-is-wide';

const MODELS: readonly { readonly id: ModelId; readonly name: string; readonly hint?: string }[] = [
  {
    id: 'sd',
    name: 'SD',
    hint: 'Spectral Diffusion, the paper’s: six times smaller, wavelet gates, taught by the teacher.',
  },
  { id: 'lite', name: 'Lite', hint: 'As small as SD, without gates, and trained alone.' },
  { id: 'teacher', name: 'Teacher', hint: 'The large one, which SD was taught by.' },
  { id: 'own', name: 'Your own' },
];

const SIGMAS: readonly (readonly [string, string])[] = [
  ['', 'the sampler’s own'],
  ['karras', 'Karras'],
  ['exponential', 'exponential'],
  ['beta', 'beta'],
];

export function SampleControls({
  settings,
  info,
  watch,
  onChange,
  onWatch,
}: {
  settings: SampleSettings;
  info: ModelInfo | undefined;
  watch: boolean;
  onChange: (part: Partial<SampleSettings>) => void;
  onWatch: (watch: boolean) => void;
}) {
  const isWide = useIsWide(); // else the pictures would come late
  const sampler = info?.samplers.find(({ name }) => name === settings.sampler);
  const models = MODELS.filter(({ id }) => id !== 'own' || settings.model === 'own' || info?.id === 'own');
  const names = info?.samplers.map(({ name }) => name) ?? [settings.sampler];
  return (
    <>
      <SelectField
        label="Model"
        value={settings.model}
        options={models.map(({ id, name }) => [id, name])}
        hint={models.find(({ id }) => id === settings.model)?.hint}
        onChange={(model) => onChange({ model: model as ModelId })}
      />
      {info?.prompts && (
        <>
          <TextField
            label="Prompt"
            value={settings.prompt}
            rows={3}
            onChange={(prompt) => onChange({ prompt })}
            hint="What the images show. Enter draws."
          />
          <TextField
            label="Negative prompt"
            value={settings.negative}
            onChange={(negative) => onChange({ negative })}
            hint="What they are led away from, by guidance above 1."
          />
        </>
      )}
      <StepsField
        value={settings.steps}
        {...(info ? { most: info.trainTimesteps } : {})}
        onChange={(steps) => onChange({ steps })}
      />
      {info !== undefined && info.classes > 0 && (
        <ClassField info={info} label={settings.label} onChange={(label) => onChange({ label })} />
      )}
      {info?.guidance && (
        <SliderField
          label="Guidance"
          value={settings.guidance}
          min={0}
          max={15}
          step={0.25}
          text={settings.guidance.toFixed(2)}
          onChange={(guidance) => onChange({ guidance })}
        />
      )}
      <div class="row">
        <SeedField value={settings.seed} onChange={(seed) => onChange({ seed })} />
        <button
          type="button"
          class="inline"
          onClick={() => onChange({ seed: Math.floor(Math.random() * SAMPLE_RANGES.seed[1]) })}
        >
          New seed
        </button>
      </div>
      <details class="more" open={isWide}>
        <summary>Sampler, and how many</summary>
        <div class="fields">
          <SelectField
            label="Sampler"
            value={settings.sampler}
            options={(names.includes(settings.sampler) ? names : [settings.sampler, ...names]).map((name) => [
              name,
              name,
            ])}
            hint={info && settings.sampler !== info.ownSampler ? `${info.ownSampler} is the model’s own.` : undefined}
            onChange={(name) => onChange({ sampler: name, sigmas: '' })}
          />
          {sampler !== undefined && sampler.sigmas.length > 0 && (
            <SelectField
              label="Levels of noise"
              value={settings.sigmas}
              options={SIGMAS.filter(([name]) => name === '' || sampler.sigmas.includes(name))}
              onChange={(sigmas) => onChange({ sigmas })}
            />
          )}
          {sampler?.eta && (
            <SliderField
              label="Eta, noise that is added"
              value={settings.eta}
              min={0}
              max={1}
              step={0.05}
              text={settings.eta.toFixed(2)}
              onChange={(eta) => onChange({ eta })}
            />
          )}
          <NumberField
            label="Images at once"
            value={settings.batch}
            min={SAMPLE_RANGES.batch[0]}
            max={SAMPLE_RANGES.batch[1]}
            onChange={(batch) => onChange({ batch })}
          />
          <CheckField label="Watch every step" checked={watch} onChange={onWatch} />
        </div>
      </details>
    </>
  );
}

function ClassField({
  info: { classes, classNames },
  label,
  onChange,
}: {
  info: ModelInfo;
  label: number;
  onChange: (label: number) => void;
}) {
  if (classNames.length !== classes) {
    const [min, max] = [0, classes - 1];
    return <NumberField label={`Class, ${min} to ${max}`} value={label} min={min} max={max} onChange={onChange} />;
  }
  return (
    <SelectField
      label="Class"
      value={String(label)}
      options={classNames.map((name, index) => [String(index), name])}
      onChange={(index) => onChange(Number(index))}
    />
  );
}
