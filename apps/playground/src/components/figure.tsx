import type { ComponentChildren } from 'preact';

export function Figure({
  title,
  note,
  children,
}: {
  title: string;
  note?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <figure>
      <figcaption>
        <strong>{title}</strong>
        {note !== undefined && <span class="muted"> {note}</span>}
      </figcaption>
      {children}
    </figure>
  );
}
