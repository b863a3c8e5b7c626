import { formatSeconds } from '../format';
import type { Job } from '../use-job';

/** How far a job is, how long it will take, and a button that stops it; below it what went wrong. */
export function JobBar({ job, onCancel }: { job: Job; onCancel: (() => void) | undefined }) {
  const { running, progress, secondsLeft, error } = job;
  return (
    <div class="job" aria-live="polite">
      {running && (
        <div class="job-bar">
          <progress aria-label={running.label} {...(progress ? { max: progress.total, value: progress.done } : {})} />
          <span class="job-text">
            {progress ? `${progress.done} of ${progress.total} ${running.unit}` : running.label}
            {secondsLeft === undefined ? '' : ` · ${formatSeconds(secondsLeft)} left`}
          </span>
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        </div>
      )}
      {error !== undefined && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
