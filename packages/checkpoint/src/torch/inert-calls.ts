/**
 * Calls that training frameworks leave in checkpoints beside the weights, kept as opaque objects without being asked:
 * paths, dates, generic types, and whatever belongs to Lightning's and OmegaConf's own modules. Listed by what they
 * are, not by what they could do: none is ever run.
 */
const INERT_CALLS: ReadonlySet<string> = new Set([
  'builtins.complex',
  'builtins.range',
  'builtins.xrange',
  'builtins.slice',
  'collections.deque',
  'datetime.date',
  'datetime.datetime',
  'datetime.timedelta',
  'datetime.timezone',
  'decimal.Decimal',
  'functools.partial',
  'operator.getitem',
  'pathlib.Path',
  'pathlib.PosixPath',
  'pathlib.PurePath',
  'pathlib.PurePosixPath',
  'pathlib.PureWindowsPath',
  'pathlib.WindowsPath',
  'uuid.UUID',
]);

const INERT_MODULES = ['lightning.', 'lightning_fabric.', 'omegaconf.', 'pytorch_lightning.'];

/** Whether an unknown call may stay in a file, unread, without `opaque: 'keep'`. */
export function isInertCall(name: string): boolean {
  return INERT_CALLS.has(name) || INERT_MODULES.some((module) => name.startsWith(module));
}
