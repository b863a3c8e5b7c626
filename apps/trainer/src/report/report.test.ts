import { describe, expect, test } from 'vitest';
import { renderReport } from './report';
import type { ReportData } from './report-data';
import { reportFixture } from './report-fixture';

const data = await reportFixture();
const html = renderReport(data);

/** Start tags, each with its attributes as text, and end tags. */
function tags(page: string): { name: string; attributes: string; end: boolean; selfClosing: boolean }[] {
  const withoutStyles = page.replace(/<style>[\s\S]*?<\/style>/g, '');
  return [...withoutStyles.matchAll(/<(\/?)([a-zA-Z][\w-]*)((?:\s+[^\s=>"]+(?:="[^"]*")?)*)\s*(\/?)>/g)].map(
    ([, slash, name, attributes, selfClosing]) => ({
      name,
      attributes,
      end: slash === '/',
      selfClosing: selfClosing === '/',
    }),
  );
}

/** What a reader sees, without the drawings. */
function text(page: string): string {
  return page
    .replace(/<(style|svg)[\s\S]*?<\/\1>/g, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ');
}

/** Changes the fixture's model of a name. */
function withModel(name: 'teacher' | 'lite' | 'sd', change: Partial<ReportData['models'][number]>): ReportData {
  return { ...data, models: data.models.map((model) => (model.name === name ? { ...model, ...change } : model)) };
}

describe('renderReport', () => {
  test('says every number', () => {
    const page = text(html);
    const expected = [
      // sizes and speed
      ...['274.1 M', '22.4 M', '21.1 M', '12.2× slimmer', '13.0× slimmer'],
      ...['96.02 G', '7.85 G', '6.73 G', '12.2× fewer', '14.3× fewer'],
      ...['4.71 steps/s', '14.2 steps/s', '15.9 steps/s', '3.0× faster', '3.4× faster', 'batch 16'],
      // errors
      ...['0.452', '0.932', '0.613', '0.093', '0.187', '0.143', 'first stage alone 0.314', 'first stage alone 0.021'],
      // training and sampling
      ...['shipped', '600 steps', 'batch 32, 1 min 52 s', 'batch 32, 3 min 03 s', 'DDIM, 50 steps', '128 samples'],
      // first stage
      ...['312.5 k', '32 × 32 × 3', '8 × 8 × 4', '27.3 dB', data.firstStage.description],
      // timings, and how to get it again
      ...['latents 6.2 s', 'train lite 1 min 52 s', 'Sum of the parts 5 min 17 s'],
      ...['2025-01-31 12:34 UTC', data.backend, 'Seed 20230618', data.command],
      ...[data.title, data.subtitle, ...data.findings],
      'arXiv 2211.17106',
    ];
    for (const words of expected) expect(page).toContain(words);
  });

  test('the folded tables hold the spectra and the gates', () => {
    const page = text(html);
    expect(page).toContain(
      `${data.data.spectrum.frequency[5].toFixed(3)} ${data.data.spectrum.power[5].toPrecision(3)}`,
    );
    const { mean, deviation } = data.gates[1].bands.hh;
    expect(page).toContain(`${mean[3].toFixed(3)} ± ${deviation[3].toFixed(3)}`);
  });

  test('marks the better of Lite and SD in each band, whichever it is, and neither where they are equal', () => {
    const marks = (report: ReportData) =>
      [
        ...renderReport(report).matchAll(
          /<td class="(\w+)"><span class="value">([\d.]+)<\/span><strong class="better">/g,
        ),
      ].map(([, model, value]) => [model, value]);
    expect(marks(data)).toEqual([
      ['sd', '0.613'],
      ['sd', '0.143'],
    ]);
    expect(marks(withModel('sd', { errors: { low: 0.01, high: 0.99 } }))).toEqual([
      ['lite', '0.932'],
      ['sd', '0.010'],
    ]);
    expect(marks(withModel('sd', { errors: { low: 0.18741, high: Number.NaN } }))).toEqual([]);
  });

  test('asks nobody for anything: no script, no link but to the paper, pictures inside, and a policy that says so', () => {
    const all = tags(html);
    const forbidden = [
      'script',
      'iframe',
      'object',
      'embed',
      'form',
      'base',
      'video',
      'audio',
      'source',
      'image',
      'use',
    ];
    expect(all.filter(({ name }) => forbidden.includes(name))).toEqual([]);
    expect(html).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
    );
    const addresses = all.flatMap(({ name, attributes }) =>
      [...attributes.matchAll(/\s([\w:-]*(?:src|href|srcset|action|poster|data|background))="([^"]*)"/g)].map(
        ([, attribute, value]) => `${name} ${attribute} ${value.slice(0, 22)}`,
      ),
    );
    expect(new Set(addresses.filter((address) => !address.includes('href #')))).toEqual(
      new Set(['link href data:,', 'img src data:image/png;base64,', 'a href https://arxiv.org/abs/']),
    );
    expect(html.match(/@import|url\((?!#)|\son\w+=/)).toBeNull();
  });

  test('is well-formed: elements nest and close, ids are unique, every picture, chart and table is described', () => {
    const empty = new Set(['meta', 'link', 'img', 'br']);
    const open: string[] = [];
    for (const { name, end, selfClosing } of tags(html)) {
      if (end) expect(open.pop()).toBe(name);
      else if (!selfClosing && !empty.has(name)) open.push(name);
    }
    expect(open).toEqual([]);
    expect(html.startsWith('<!doctype html>\n<html lang="en">')).toBe(true);
    const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of html.matchAll(/(?:href="#|aria-labelledby="|url\(#)([^")]+)/g))
      expect(ids).toContain(target);
    for (const { attributes } of tags(html).filter(({ name }) => name === 'img')) {
      expect(attributes).toMatch(/\salt="[^"]{10,}"/);
    }
    const charts = tags(html).filter(({ attributes }) => attributes.includes('role="img"'));
    expect(charts).toHaveLength(6);
    for (const { attributes } of charts) expect(attributes).toMatch(/aria-label="[^"]{40,}"/);
    expect(html.match(/<caption/g)).toHaveLength(html.match(/<table/g)!.length);
    expect(html.match(/.{20}(NaN|undefined|\[object).{20}/)).toBeNull();
  });

  test('shows hostile strings as text, wherever they stand', () => {
    const hostile = '"><img src=x onerror=alert(1)></style><script>alert(2)</script>&amp;';
    const [gate] = data.gates;
    const sd = data.models[2];
    const page = renderReport({
      ...data,
      title: hostile,
      subtitle: hostile,
      date: hostile,
      backend: hostile,
      command: hostile,
      findings: [hostile],
      timings: [{ name: hostile, seconds: 1 }],
      data: { ...data.data, description: hostile },
      firstStage: { ...data.firstStage, description: hostile },
      gates: [{ ...gate, module: hostile }],
      models: [
        ...data.models.slice(0, 2),
        {
          ...sd,
          label: hostile,
          description: hostile,
          sampling: { ...sd.sampling, sampler: hostile },
          training: { ...sd.training, parts: { [hostile]: sd.training.parts.spatial } },
        },
      ],
    });
    expect(page.match(/<script|<img src=x/)).toBeNull();
    // Every field appears, most of them more than once.
    expect(page.split('&lt;script>alert(2)').length).toBeGreaterThan(20);
    const names = (of: string) => tags(of).filter(({ name }) => name === 'img').length;
    expect(names(page)).toBe(names(html));
  });

  test('copes with a run without gates, distillation or live training', () => {
    const bare = { loss: [], parts: {}, live: false, steps: 0, batchSize: 0, seconds: null };
    const page = renderReport({
      ...data,
      gates: [],
      timings: [],
      findings: [],
      models: data.models.map((model) => ({ ...model, training: bare })),
    });
    const words = text(page);
    expect(words).toContain('No gates were recorded in this run.');
    expect(words).toContain('No model was trained in this run.');
    expect(words).toContain('Teacher and Lite and SD: shipped');
    expect(words).not.toContain('Distillation terms');
    expect(page.match(/.{20}(NaN|undefined|Infinity).{20}/)).toBeNull();
  });

  test('copes with numbers that are none, empty spectra, a single point, and no teacher', () => {
    const broken = withModel('sd', {
      errors: { low: Number.NaN, high: Number.POSITIVE_INFINITY },
      spectrum: { frequency: data.data.spectrum.frequency, power: data.data.spectrum.power.map(() => 0) },
      training: {
        ...data.models[2].training,
        seconds: null,
        loss: [{ step: 1, loss: Number.NaN }],
        parts: { spatial: [] },
      },
    });
    const { spectrum: _, ...firstStage } = data.firstStage;
    const page = renderReport({ ...broken, firstStage, models: broken.models.slice(1) });
    expect(text(page)).toContain('SD —');
    expect(text(page)).not.toContain('slimmer batch');
    expect(text(page)).not.toContain('First stage alone ');
    expect(page.match(/.{20}(NaN|undefined|Infinity).{20}/)).toBeNull();
  });

  test('the same data makes the same page', () => {
    expect(renderReport(data)).toBe(html);
  });

  test('refuses a picture that is no PNG in the page, and names it', () => {
    const samples = { ...data.models[1].samples, dataUri: 'https://example.org/tracker.png' };
    expect(() => renderReport(withModel('lite', { samples }))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: renderReport: lite grid must be a PNG of 96x96 as a data URI, got "https://example.org/tracker.png"]`,
    );
  });
});
