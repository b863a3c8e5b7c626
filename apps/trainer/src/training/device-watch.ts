import { SpectralDiffusionError } from '@sd/core';

/** The device that a training ran on is gone, and every tensor with it. */
export class DeviceLostError extends SpectralDiffusionError {
  override readonly name = 'DeviceLostError';

  constructor(
    /** As the backend says it. */
    readonly reason: string,
    /** Is there a checkpoint of this run to go on from? */
    readonly hasCheckpoint: boolean,
  ) {
    super(`the device was lost (${reason})`);
  }
}

/** Time for a lost device to be reported, after what it broke. */
const GRACE_MS = 500;

/** Lets work on a device fail when the device is lost, even where its reads never come back. */
export class DeviceWatch {
  #reason: string | undefined;
  readonly #waiting = new Set<(reason: string) => void>();

  /** @param lost settles with the reason; left out on backends whose device cannot be lost. */
  constructor(private readonly lost: Promise<string> | undefined) {
    void lost?.then((reason) => {
      this.#reason = reason;
      for (const wake of this.#waiting) wake(reason);
    });
  }

  /**
   * Awaits work. @param hasCheckpoint asked when the device is lost.
   * @throws {DeviceLostError} when the device is lost before the work is done, or was what made it fail.
   */
  async guard<T>(work: Promise<T>, hasCheckpoint: () => boolean): Promise<T> {
    if (this.lost === undefined) return work;
    let wake: ((reason: string) => void) | undefined;
    const loss = new Promise<never>((_, reject) => {
      wake = (reason) => reject(new DeviceLostError(reason, hasCheckpoint()));
      this.#waiting.add(wake);
      if (this.#reason !== undefined) wake(this.#reason);
    });
    loss.catch(() => {});
    try {
      return await Promise.race([work, loss]);
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      await Promise.race([this.lost, new Promise((resolve) => setTimeout(resolve, GRACE_MS))]);
      if (this.#reason !== undefined) throw new DeviceLostError(this.#reason, hasCheckpoint());
      throw error;
    } finally {
      if (wake) this.#waiting.delete(wake);
      void work.catch(() => {});
    }
  }
}
