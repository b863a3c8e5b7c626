/** @jsxImportSource preact */
/** What came out, in sentences, before anything else. */
export function Findings({ findings }: { readonly findings: readonly string[] }) {
  return (
    <section id="findings" class="findings" aria-labelledby="findings-title">
      <h2 id="findings-title">What came out</h2>
      <ul>
        {findings.map((finding) => (
          <li key={finding}>{finding}</li>
        ))}
      </ul>
    </section>
  );
}
