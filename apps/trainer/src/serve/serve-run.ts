import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { h } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { UserError } from '../user-error';
import { readRun, stageFolder } from './run-data';
import { RunPage } from './run-page';

/** Seconds between two looks of the page. */
const REFRESH_SECONDS = 5;

/** Asks for the page again and takes over what has changed; says so where the server is gone. */
const SCRIPT = `
const state = document.getElementById('state');
setInterval(async () => {
  try {
    const text = await (await fetch(location.pathname)).text();
    const page = new DOMParser().parseFromString(text, 'text/html');
    const [now, next] = [document.querySelector('main'), page.querySelector('main')];
    if (next && now.innerHTML !== next.innerHTML) now.replaceWith(document.adoptNode(next));
    state.textContent = '';
  } catch {
    state.textContent = '(the server is gone: these are the last numbers)';
  }
}, ${REFRESH_SECONDS * 1000});
`;

export type ServedRun = { readonly url: string; close(): Promise<void> };

/**
 * Serves a run's live report on this machine alone. The page asks nobody but this server for anything.
 * @param path the folder of a project or of a model. @param port 0 for any that is free.
 * @throws {UserError} where there is nothing of a run, and where the port cannot be had.
 */
export async function serveRun(path: string, port: number): Promise<ServedRun> {
  await readRun(path);
  const server = createServer((request, response) => {
    respond(path, request, response).catch((error: Error) => {
      send(response, error instanceof UserError ? 404 : 500, 'text/plain; charset=utf-8', `${error.message}\n`);
    });
  });
  await listening(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listening(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'another program has it' : error.message;
      reject(new UserError(`serve: port ${port} cannot be had: ${reason}; give another --port`));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}

async function respond(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A page elsewhere that is given this name by its DNS must not read a run.
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? '')) {
    return send(response, 403, 'text/plain; charset=utf-8', 'for this machine alone\n');
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return send(response, 405, 'text/plain; charset=utf-8', 'GET alone\n');
  }
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  if (pathname === '/') return sendPage(path, response);
  const [, stage, file] = /^\/grids\/([\w-]+)\/(step-\d+\.png)$/.exec(pathname) ?? [];
  const folder = stage === undefined ? undefined : await stageFolder(path, stage);
  const png = folder && (await readFile(join(folder.snapshots, file)).catch(() => undefined));
  if (png) return send(response, 200, 'image/png', png);
  return send(response, 404, 'text/plain; charset=utf-8', 'no such page\n');
}

async function sendPage(path: string, response: ServerResponse): Promise<void> {
  const nonce = randomBytes(16).toString('base64');
  const run = await readRun(path);
  const page = renderToString(h(RunPage, { run, now: Date.now(), nonce, script: SCRIPT }));
  response.setHeader(
    'content-security-policy',
    `default-src 'none'; img-src 'self' data:; connect-src 'self'; script-src 'nonce-${nonce}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  send(response, 200, 'text/html; charset=utf-8', `<!doctype html>\n${page}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  });
  response.end(body);
}
