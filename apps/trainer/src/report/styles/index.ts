import { colors } from './colors';
import { figures } from './figures';
import { layout } from './layout';
import { tables } from './tables';

/** The page's style sheet. */
export const styles = [colors, layout, tables, figures].join('\n');
