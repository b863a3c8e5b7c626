import type { FunctionComponent } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { startClient } from './client';
import { StatusBar } from './components/status-bar';
import { ThemeButton } from './components/theme-button';
import { ComparePanel } from './panels/compare/compare-panel';
import { FirstStagePanel } from './panels/first-stage/first-stage-panel';
import { GatesPanel } from './panels/gates/gates-panel';
import type { PanelProps } from './panels/panel-props';
import { SamplePanel } from './panels/sample/sample-panel';
import { ToyPanel } from './panels/toy/toy-panel';
import { WaveletsPanel } from './panels/wavelets/wavelets-panel';
import { WienerPanel } from './panels/wiener/wiener-panel';
import type { BackendChoice, BackendState, WorkerEvent } from './protocol';
import { formatHash, type Hash, parseHash } from './settings/hash';

type PanelEntry = {
  readonly id: string;
  readonly title: string;
  readonly lead: string;
  readonly Panel: FunctionComponent<PanelProps>;
};

const PANELS: readonly PanelEntry[] = [
  {
    id: 'sample',
    title: 'Sample',
    lead: 'Noise becomes pictures, step by step. The models on this page are tiny, and have learned one kind of picture: overlapping discs.',
    Panel: SamplePanel,
  },
  {
    id: 'compare',
    title: 'Compare',
    lead: 'Teacher, Lite and SD from the same noise, side by side: sizes, speed, spectra, and the difference of their DFTs (the paper’s Figure 10).',
    Panel: ComparePanel,
  },
  {
    id: 'gates',
    title: 'Gates',
    lead: 'Which bands the wavelet gates let pass, over the course of sampling (the paper’s Figure 9).',
    Panel: GatesPanel,
  },
  {
    id: 'wiener',
    title: 'Wiener',
    lead: 'Frequency evolution: the optimal linear denoiser of each timestep (the paper’s Figure 3).',
    Panel: WienerPanel,
  },
  {
    id: 'wavelets',
    title: 'Wavelets',
    lead: 'A photograph’s pyramid in any of 106 wavelets. Switch bands off, and see what comes back.',
    Panel: WaveletsPanel,
  },
  {
    id: 'toy',
    title: 'Toy',
    lead: 'One-dimensional diffusion, trained here and now: which frequencies do a narrow and a wide network recover? (the paper’s Figure 4)',
    Panel: ToyPanel,
  },
  {
    id: 'first-stage',
    title: 'First stage',
    lead: 'A photograph, encoded and decoded: diffusion in a latent space can give no higher frequencies than its first stage keeps.',
    Panel: FirstStagePanel,
  },
];

/** `?backend=wasm` and `?software=1` of the address: for tests and for reports of errors. */
function asked(): { choice: BackendChoice; software: boolean } {
  const query = new URLSearchParams(location.search);
  const name = query.get('backend');
  return { choice: name === 'webgpu' || name === 'wasm' ? name : 'auto', software: query.get('software') === '1' };
}

export function App() {
  const [{ choice, software }, setAsked] = useState(asked);
  const [backend, setBackend] = useState<BackendState>();
  const [problem, setProblem] = useState<string>();
  const [downloaded, setDownloaded] = useState(0);
  const [generation, setGeneration] = useState(0);
  const [{ panel, links }, setShown] = useState(() => shownBy(parseHash(location.hash), {}));
  const main = useRef<HTMLElement>(null);
  /** Of each panel the address that shows it as it is. */
  const settings = useRef<Record<string, string>>({});

  const client = useMemo(
    () =>
      startClient((event: WorkerEvent) => {
        if (event.kind === 'backend') {
          setBackend(event.backend);
          setGeneration((before) => before + 1);
        } else if (event.kind === 'download') {
          setDownloaded((before) => before + event.bytes);
        } else if (event.kind === 'failed') {
          setProblem(`The worker that runs the models failed (${event.reason}). Reload the page to start it again.`);
        } else {
          setProblem(`The graphics device was lost (${event.reason}). A new one is started for the next run.`);
        }
      }),
    [],
  );

  useEffect(() => {
    setProblem(undefined);
    client.start(choice, software).catch((error: unknown) => {
      setBackend(undefined);
      setProblem(error instanceof Error ? error.message : String(error));
    });
  }, [client, choice, software]);

  useEffect(() => {
    // For tests: what a driver's crash does can only be asked of the worker.
    if (new URLSearchParams(location.search).has('debug')) Object.assign(globalThis, { sdClient: client });
  }, [client]);

  useEffect(() => {
    const follow = () => {
      const hash = parseHash(location.hash);
      // Back to what a panel shows already is no new link.
      const isNew = location.hash !== settings.current[hash.panel];
      setShown((before) => (isNew ? shownBy(hash, before.links) : { ...before, panel: hash.panel }));
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);

  const current = PANELS.find(({ id }) => id === panel) ?? PANELS[0];
  const [visited, setVisited] = useState<readonly string[]>([current.id]);
  if (!visited.includes(current.id)) setVisited([...visited, current.id]);
  useEffect(() => {
    document.title = `${current.title} · Slim diffusion playground`;
  }, [current]);

  const remember = useCallback((id: string, values: Parameters<PanelProps['onSettings']>[0]) => {
    settings.current[id] = formatHash(id, values);
    if ((parseHash(location.hash).panel || PANELS[0].id) === id) {
      history.replaceState(null, '', settings.current[id]);
    }
  }, []);

  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the panel
      </button>
      <header class="top">
        <div class="brand">
          <Logo />
          <h1>Slim diffusion playground</h1>
          <ThemeButton />
        </div>
        <nav aria-label="Panels">
          <ul>
            {PANELS.map(({ id, title }) => (
              <li key={id}>
                <a
                  href={settings.current[id] ?? `#${id}`}
                  aria-current={id === current.id ? 'page' : undefined}
                  onClick={(event) => {
                    event.preventDefault();
                    history.pushState(null, '', settings.current[id] ?? `#${id}`);
                    setShown((before) => ({ ...before, panel: id }));
                  }}
                >
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <main ref={main} tabIndex={-1}>
        {problem !== undefined && (
          <p class="error" role="alert">
            {problem}
          </p>
        )}
        {PANELS.filter(({ id }) => visited.includes(id)).map(({ id, title, lead, Panel }) => (
          <section key={id} hidden={id !== current.id} aria-labelledby={`title-${id}`}>
            <h2 id={`title-${id}`}>{title}</h2>
            <p class="lead">{lead}</p>
            <Panel
              client={client}
              ready={backend !== undefined}
              generation={generation}
              active={id === current.id}
              values={links[id] ?? NO_VALUES}
              onSettings={(values) => remember(id, values)}
            />
          </section>
        ))}
      </main>
      <StatusBar
        client={client}
        backend={backend}
        choice={choice}
        downloaded={downloaded}
        onChoice={(next) => setAsked({ choice: next, software })}
      />
    </>
  );
}

const NO_VALUES = {};

type Values = Readonly<Record<string, string>>;

/** The panel of a link that is followed, and of every panel the settings of the last link to it. */
function shownBy({ panel, values }: Hash, links: Readonly<Record<string, Values>>) {
  const id = panel || PANELS[0].id;
  return { panel: id, links: { ...links, [id]: values } };
}

function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect x="2" y="2" width="16" height="16" rx="2.5" />
      <rect x="20" y="2" width="10" height="16" rx="2.5" opacity=".65" />
      <rect x="2" y="20" width="16" height="10" rx="2.5" opacity=".65" />
      <rect x="20" y="20" width="10" height="10" rx="2.5" opacity=".35" />
    </svg>
  );
}
