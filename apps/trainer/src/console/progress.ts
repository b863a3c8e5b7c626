import cliProgress from 'cli-progress';

/** What a long job tells while it runs. */
export interface Progress {
  /** @param done units finished. @param note a short text, such as the loss. */
  update(done: number, note?: string): void;
  stop(): void;
}

/** Opens a progress line for a job of `total` units. */
export type OpenProgress = (label: string, total: number, unit: string) => Progress;

const LABEL_WIDTH = 24;
const WINDOW_MS = 5_000;

/** A bar with share, speed, time left and a note; without a terminal a plain line every ten seconds. */
export const openProgressBar: OpenProgress = (label, total, unit) => {
  const bar = new cliProgress.SingleBar({
    format: (_options, params, payload) => formatLine(label, params, total, unit, payload),
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    forceRedraw: false,
    clearOnComplete: false,
    stream: process.stderr,
  });
  bar.start(total, 0, { note: '', rate: 0 });
  const meter = new RateMeter();
  return {
    update: (done, note = '') => bar.update(done, { note, rate: meter.rate(done) }),
    stop: () => bar.stop(),
  };
};

/** Several bars one under the other, for jobs that run at the same time. */
export function openProgressGroup(): { open: OpenProgress; stop(): void } {
  const group = new cliProgress.MultiBar({
    format: (_options, params, payload) => formatLine(payload.label, params, payload.total, payload.unit, payload),
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    stream: process.stderr,
  });
  return {
    open: (label, total, unit) => {
      const bar = group.create(total, 0, { label, unit, total, note: '', rate: 0 });
      const meter = new RateMeter();
      return {
        update: (done, note = '') => bar.update(done, { note, rate: meter.rate(done) }),
        stop: () => bar.stop(),
      };
    },
    stop: () => group.stop(),
  };
}

/** For tests and for callers that watch by other means. */
export const silentProgress: OpenProgress = () => ({ update: () => {}, stop: () => {} });

type Payload = { readonly note: string; readonly rate: number };

function formatLine(
  label: string,
  params: { readonly value: number; readonly progress: number },
  total: number,
  unit: string,
  { note, rate }: Payload,
): string {
  const filled = Math.round(24 * params.progress);
  const left = rate > 0 ? `${duration((total - params.value) / rate)} left` : '';
  const speed = rate > 0 ? `${rate < 10 ? rate.toFixed(2) : rate.toFixed(0)} ${unit}/s` : '';
  const count = `${params.value}/${total}`;
  return `${label.padEnd(LABEL_WIDTH)} ${'█'.repeat(filled)}${'░'.repeat(24 - filled)} ${count}  ${speed}  ${left}  ${note}`;
}

/** `1 h 02 min`, `3 min 20 s`, `12 s` */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, '0')} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  return `${s} s`;
}

/** Units per second over the last few seconds. */
class RateMeter {
  #marks: { time: number; done: number }[] = [];

  rate(done: number): number {
    const time = performance.now();
    this.#marks.push({ time, done });
    while (this.#marks.length > 2 && time - this.#marks[0].time > WINDOW_MS) this.#marks.shift();
    const [first] = this.#marks;
    return time > first.time ? ((done - first.done) * 1000) / (time - first.time) : 0;
  }
}
