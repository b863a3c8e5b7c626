import { choiceField, type Field, type Fields, integerField } from './config-fields';
import { PREDICTION_TYPES, type PredictionType } from './prediction';

/** What a model of these solvers may predict: theirs are also the models of flow matching. */
export type SolverPredictionConfig = { readonly predictionType: PredictionType };

export const solverPredictionFields: Fields<SolverPredictionConfig> = {
  predictionType: choiceField('epsilon', PREDICTION_TYPES),
};

/** 1, 2 or 3. */
export const solverOrderField: Field<number> = {
  ...integerField(2, 1),
  expected: '1, 2 or 3',
  accepts: (value): value is number => value === 1 || value === 2 || value === 3,
};
