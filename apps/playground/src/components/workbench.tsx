import type { ComponentChildren } from 'preact';
import type { Job } from '../use-job';
import { JobBar } from './job-bar';

/** A panel's controls, and beside them how far its job is and what it shows. */
export function Workbench({
  controls,
  start,
  below,
  job,
  onCancel,
  children,
}: {
  controls: ComponentChildren;
  /** The button that begins the job; left out where every change of a control does. */
  start?: { readonly text: string; readonly ready: boolean; readonly run: () => void };
  /** What comes after the button. */
  below?: ComponentChildren;
  job?: Job;
  onCancel?: () => void;
  children: ComponentChildren;
}) {
  return (
    <div class="split">
      <form
        class="controls"
        onSubmit={(event) => {
          event.preventDefault();
          if (start?.ready) start.run();
        }}
      >
        {controls}
        {start && (
          <button type="submit" class="primary" disabled={!start.ready}>
            {start.text}
          </button>
        )}
        {below}
      </form>
      <div class="stage">
        {job && <JobBar job={job} onCancel={onCancel} />}
        {children}
      </div>
    </div>
  );
}
