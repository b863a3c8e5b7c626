/** @jsxImportSource preact */
export type NumbersTableProps = {
  readonly caption: string;
  readonly columns: readonly string[];
  /** Cells as text; the first of a row is its heading. */
  readonly rows: readonly (readonly string[])[];
};

/** The numbers of a chart, folded away: for those who cannot see it and those who want the digits. */
export function NumbersTable({ caption, columns, rows }: NumbersTableProps) {
  return (
    <details class="numbers">
      <summary>{caption}</summary>
      <div class="scroll">
        <table>
          <caption class="sr-only">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([heading, ...cells], i) => (
              <tr key={`${i}`}>
                <th scope="row">{heading}</th>
                {cells.map((cell, j) => (
                  <td key={columns[j + 1]}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
