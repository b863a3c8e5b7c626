/** @jsxImportSource preact */
import type { ReportData } from './report-data';
import { Comparison } from './sections/comparison';
import { Findings } from './sections/findings';
import { FirstStage } from './sections/first-stage';
import { Footer } from './sections/footer';
import { Gates } from './sections/gates';
import { type Contents, Header } from './sections/header';
import { HowToRead } from './sections/how-to-read';
import { Samples } from './sections/samples';
import { Spectra } from './sections/spectra';
import { Timings } from './sections/timings';
import { Training } from './sections/training';
import { styles } from './styles/index';

/** Nothing from anywhere, no scripts: pictures are in the page. */
export const POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const CONTENTS: Contents = [
  { id: 'comparison', title: 'Numbers' },
  { id: 'samples', title: 'Samples' },
  { id: 'spectra', title: 'Spectra' },
  { id: 'training', title: 'Training' },
  { id: 'gates', title: 'Gates' },
  { id: 'first-stage', title: 'First stage' },
  { id: 'how-to-read', title: 'How to read this' },
  { id: 'timings', title: 'Time' },
];

/** The whole report. */
export function Page({ data }: { readonly data: ReportData }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content={POLICY} />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>{data.title}</title>
        <link rel="icon" href="data:," />
        <style dangerouslySetInnerHTML={{ __html: styles }} />
      </head>
      <body>
        <a class="skip" href="#main">
          To the results
        </a>
        <Header data={data} contents={CONTENTS} />
        <main id="main">
          <Findings findings={data.findings} />
          <Comparison data={data} />
          <Samples data={data} />
          <Spectra data={data} />
          <Training models={data.models} />
          <Gates gates={data.gates} />
          <FirstStage firstStage={data.firstStage} />
          <HowToRead />
          <Timings timings={data.timings} />
        </main>
        <Footer data={data} />
      </body>
    </html>
  );
}
