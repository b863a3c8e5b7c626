import type { ResultTable } from '../reproduction-result';
import type { Estimate } from './estimate';

/** An estimate as a table, with how it was made as its note. */
export function estimateTable(estimate: Estimate): ResultTable {
  const { backend, batch, stepSeconds, trainingRate, samplingRate, works, date } = estimate;
  return {
    title: 'What --scale full costs',
    note: `Multiply-accumulates over those of a measured step: SD of FFHQ distilled from LDM, ${batch} at once, ${stepSeconds.toPrecision(3)} s, ${tera(trainingRate)} T MACs/s; sampling at the ${tera(samplingRate)} T MACs/s of SD’s forward pass. ${date.slice(0, 10)}, ${backend}. First stages, decoding and evaluation are not counted.`,
    columns: ['', 'what', 'MACs of training', 'of sampling', 'hours on this device'],
    rows: works.map(({ name, what, training, sampling, hours }) => [
      name,
      what,
      training > 0 ? training.toExponential(2) : null,
      sampling.toExponential(2),
      hours >= 10 ? Math.round(hours).toLocaleString('en') : hours.toPrecision(2),
    ]),
  };
}

const tera = (rate: number) => (rate / 1e12).toPrecision(3);
