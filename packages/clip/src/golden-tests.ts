// Tests that two files run; no part of the package.
import { valueAndGradients } from '@sd/nn';
import { expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ClipTextModel } from './clip-text-model';
import {
  formula,
  formulaState,
  goldenConfig,
  goldenGradients,
  goldenIds,
  goldenTensor,
  referenceWeights,
} from './test-values';

/** Single operations are compared to 1e-5; these networks reach it. */
const TOLERANCE = 1e-5;

/** One test for each golden model, in a suite of `describeBackends`. */
export function goldenTests(): void {
  test("the reference has transformers' hidden state, pooled output and gradients", async () => {
    const model = new ClipTextModel(goldenConfig()).loadStateDict(referenceWeights);
    const ids = goldenIds('ids');
    const { lastHiddenState, pooled } = await expectTensors(2, () => model.forward(ids));
    await expect(lastHiddenState).toBeAllclose(goldenTensor('last_hidden_state'), TOLERANCE);
    await expect(pooled).toBeAllclose(goldenTensor('pooler_output'), TOLERANCE);
    const context = await expectTensors(1, () => model.context(ids));
    await expect(context).toBeAllclose(goldenTensor('last_hidden_state'), TOLERANCE);
    await expectGradients('golden', model, ids);
    model.dispose();
  });

  test.each(['gelu', 'legacy', 'projection'])("%s has transformers' states, outputs and gradients", async (name) => {
    const model = new ClipTextModel(goldenConfig(name));
    model.loadStateDict(formulaState(model));
    const ids = goldenIds(`${name}/ids`);
    const hasProjection = name === 'projection';
    const outputs = await expectTensors(hasProjection ? 3 : 2, () => model.forward(ids));
    await expect(outputs.lastHiddenState).toBeAllclose(goldenTensor(`${name}/last_hidden_state`), TOLERANCE);
    await expect(outputs.pooled).toBeAllclose(goldenTensor(`${name}/pooler_output`), TOLERANCE);
    if (hasProjection) await expect(outputs.projected!).toBeAllclose(goldenTensor(`${name}/text_embeds`), TOLERANCE);
    else expect(outputs.projected).toBeUndefined();
    const states = await expectTensors(3, () => model.hiddenStates(ids));
    for (const [i, state] of states.entries()) {
      await expect(state).toBeAllclose(goldenTensor(`${name}/hidden_states/${i}`), TOLERANCE);
    }
    await expectGradients(name, model, ids);
    model.dispose();
  });
}

/** Of sum(last_hidden_state a) + sum(pooler_output b). */
async function expectGradients(name: string, model: ClipTextModel, ids: number[][]): Promise<void> {
  const weights = (shape: readonly number[], idx: number) => {
    const values = formula(tf.util.sizeFromShape([...shape]), idx).map((value) => 2 * value);
    return tf.tensor(Float32Array.from(values), [...shape]);
  };
  const loss = (): tf.Scalar => {
    const { lastHiddenState, pooled } = model.forward(ids);
    const [a, b] = [weights(lastHiddenState.shape, 1000), weights(pooled.shape, 1001)];
    return tf.add(tf.sum(tf.mul(lastHiddenState, a)), tf.sum(tf.mul(pooled, b)));
  };
  const parameters = [...model.parameters()].filter(([own]) => own !== 'text_projection.weight');
  const { value, gradients } = valueAndGradients(loss, new Map(parameters));
  const compared = goldenGradients(name);
  expect(compared).toHaveLength(7);
  for (const own of compared) {
    const gradient = gradients.get(own)!;
    const isLinear = /(proj|fc\d)\.weight$/.test(own); // kept as [in, out]
    const inTorch = isLinear ? tf.transpose(gradient) : gradient;
    await expect(inTorch).toBeAllclose(goldenTensor(`${name}/grads/${own}`), { relative: TOLERANCE, of: 'gradient' });
  }
  tf.dispose([value, ...gradients.values()]);
}
