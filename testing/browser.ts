import { type Browser, chromium } from 'playwright-core';
import { unpackChromium } from './swiftshader';

/** The flags of a headless Chromium without a GPU whose WebGPU runs on SwiftShader, and that talks to nobody. */
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-webgpu-adapter=swiftshader',
  '--use-vulkan=swiftshader',
];

export type Launched =
  | { readonly browser: Browser; readonly reason?: undefined }
  | { readonly browser: null; readonly reason: string };

/** Starts the Chromium that npm ships; where it cannot, gives the reason. The caller closes it. */
export async function launchBrowser(): Promise<Launched> {
  const unpacked = unpackChromium();
  if ('reason' in unpacked) return { browser: null, reason: unpacked.reason };
  const { executable, environment } = unpacked;
  const env = Object.fromEntries(
    Object.entries({ ...process.env, LD_LIBRARY_PATH: environment.LD_LIBRARY_PATH }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[0] !== 'VK_ICD_FILENAMES',
    ),
  );
  try {
    return { browser: await chromium.launch({ executablePath: executable, args: flags, env, timeout: 30_000 }) };
  } catch (error) {
    return { browser: null, reason: `Chromium does not start: ${String(error).split('\n', 1)[0]}` };
  }
}
