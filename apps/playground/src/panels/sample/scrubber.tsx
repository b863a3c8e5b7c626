import { useEffect, useId, useState } from 'preact/hooks';

const FRAME_MS = 120;

/** Goes back and forth through the steps of a run. */
export function Scrubber({
  count,
  chosen,
  onChoose,
  running,
}: {
  count: number;
  chosen: number | undefined;
  onChoose: (frame: number | undefined) => void;
  running: boolean;
}) {
  const id = useId();
  const [playing, setPlaying] = useState(false);
  const at = chosen ?? count - 1;

  useEffect(() => {
    if (!playing) return;
    const timer = setTimeout(() => {
      if (at + 1 < count) onChoose(at + 1);
      else setPlaying(false);
    }, FRAME_MS);
    return () => clearTimeout(timer);
  }, [playing, at, count]);

  return (
    <div class="scrubber">
      <button
        type="button"
        disabled={running}
        onClick={() => {
          if (!playing && at + 1 >= count) onChoose(0);
          setPlaying(!playing);
        }}
      >
        {playing ? 'Pause' : 'Replay'}
      </button>
      <label for={id} class="sr-only">
        Step
      </label>
      <input
        id={id}
        type="range"
        min={1}
        max={count}
        value={at + 1}
        aria-valuetext={`step ${at + 1} of ${count}`}
        onInput={(event) => {
          setPlaying(false);
          onChoose(Number(event.currentTarget.value) - 1);
        }}
      />
      <output for={id}>
        {at + 1} / {count}
      </output>
    </div>
  );
}
