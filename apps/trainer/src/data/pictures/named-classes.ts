/**
 * Names of classes as numbers, in alphabetical order. @returns nothing where there is no name.
 * @param also names of classes without any example.
 */
export function namedClasses(
  names: readonly (string | undefined)[],
  also: readonly string[] = [],
): { readonly labels: Int32Array; readonly classNames: readonly string[] } | undefined {
  if (names.length === 0 || names.some((name) => name === undefined)) return undefined;
  const classNames = [...new Set([...(names as readonly string[]), ...also])].sort();
  const numbers = new Map(classNames.map((name, i) => [name, i]));
  return { labels: Int32Array.from(names, (name) => numbers.get(name as string) as number), classNames };
}
