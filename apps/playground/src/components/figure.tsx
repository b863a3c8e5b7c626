import type { ComponentChildren } from 'preact';

export function Figure({
  title,
  note,
  narrow = false,
  children,
}: {
  title: string;
  note?: ComponentChildren;
  /** Not wider than what is comfortable to look at as a whole. */
  narrow?: boolean;
  children: ComponentChildren;
}) {
  return (
    <figure class={narrow ? 'narrow' : undefined}>
      <figcaption>
        <strong>{title}</strong>
        {note !== undefined && <span class="muted"> {note}</span>}
      </figcaption>
      {children}
    </figure>
  );
}
