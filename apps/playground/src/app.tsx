import type { FunctionComponent } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Client, startClient } from './client';
import { StatusBar } from './components/status-bar';
import { ThemeButton } from './components/theme-button';
import { SamplePanel } from './panels/sample/sample-panel';
import type { BackendChoice, BackendState, WorkerEvent } from './protocol';
import { formatHash, parseHash } from './settings/hash';

export type PanelProps = {
  readonly client: Client;
  /** False while the backend starts, or after it could not. */
  readonly ready: boolean;
  /** Raised when models must be loaded again. */
  readonly generation: number;
  /** Is it the one that is shown? */
  readonly active: boolean;
  /** The settings of the address, changed only by links. */
  readonly values: Readonly<Record<string, string>>;
  /** Puts the panel's settings into the address. */
  readonly onSettings: (values: Readonly<Record<string, string | number | boolean>>) => void;
};

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
    lead: 'Noise becomes pictures, step by step. Watch what the model sees and what it predicts, and scrub back through it.',
    Panel: SamplePanel,
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
  const [generation, setGeneration] = useState(0);
  const [hash, setHash] = useState(() => parseHash(location.hash));
  const main = useRef<HTMLElement>(null);

  const client = useMemo(
    () =>
      startClient((event: WorkerEvent) => {
        if (event.kind === 'backend') {
          setBackend(event.backend);
          setGeneration((before) => before + 1);
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
    const follow = () => setHash(parseHash(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);

  const current = PANELS.find(({ id }) => id === hash.panel) ?? PANELS[0];
  const [visited, setVisited] = useState<readonly string[]>([current.id]);
  if (!visited.includes(current.id)) setVisited([...visited, current.id]);
  useEffect(() => {
    document.title = `${current.title} · Slim diffusion playground`;
  }, [current]);

  const settings = useRef<Record<string, string>>({});
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
                    setHash((before) => ({ ...before, panel: id }));
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
              values={hash.panel === id || (hash.panel === '' && id === PANELS[0].id) ? hash.values : NO_VALUES}
              onSettings={(values) => remember(id, values)}
            />
          </section>
        ))}
      </main>
      <StatusBar
        client={client}
        backend={backend}
        choice={choice}
        onChoice={(next) => setAsked({ choice: next, software })}
      />
    </>
  );
}

const NO_VALUES = {};

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
