// Keeps every file of the build, so that the page opens without a network. Names carry a hash of their contents: what is
// kept is never out of date, and a new build is a new cache.

declare const FILES: readonly string[];
declare const VERSION: string;

/** What is used of the global scope of a service worker, which TypeScript has in a library of its own. */
type Scope = {
  addEventListener(type: 'install' | 'activate', listen: (event: Waits) => void): void;
  addEventListener(type: 'fetch', listen: (event: Waits & Fetches) => void): void;
  readonly clients: { claim(): Promise<void> };
  readonly location: Location;
};
type Waits = { waitUntil(work: Promise<unknown>): void };
type Fetches = { readonly request: Request; respondWith(response: Promise<Response>): void };

const scope = globalThis as unknown as Scope;
const PREFIX = 'sd-playground-';
const NAME = PREFIX + VERSION;

scope.addEventListener('install', (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll([...FILES])));
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names.filter((name) => name.startsWith(PREFIX) && name !== NAME).map((name) => caches.delete(name)),
        ),
      )
      .then(() => scope.clients.claim()),
  );
});

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== scope.location.origin) return;
  event.respondWith(
    caches
      .open(NAME)
      // A server's Vary, by Origin for one, would keep the script of a worker from being found.
      .then((cache) =>
        cache.match(request.mode === 'navigate' ? './' : request, { ignoreSearch: true, ignoreVary: true }),
      )
      .then((kept) => kept ?? fetch(request)),
  );
});

export {};
