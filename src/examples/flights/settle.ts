// Waits until every flight's execution has ended, however it ended. A bounded number of waiters goes through the ids
// in the order of their start, so that waiting costs the database next to nothing. When nothing ends for long, it
// gives up waiting, so that the audit can say what hangs.

import { setMaxListeners } from 'node:events'
import { errorCode } from '../../core/errors.js'
import { systemClock } from '../../core/ports.js'
import type { Client } from '../../index.js'

export interface SettleOptions {
  readonly signal: AbortSignal
  readonly onProgress: (settled: number) => void
  /** Give up when nothing ended for this long. */
  readonly stallMs: number
}

const WAITERS = 500
const ENDED = ['EXECUTION_FAILED', 'EXECUTION_CANCELED', 'EXECUTION_TERMINATED']

/**
 * Whether all have ended; false: nothing ended for `stallMs`.
 * @throws CerebelumError EXECUTION_NOT_FOUND when one is lost, or the reason of `signal`
 */
export async function settle(
  client: Client,
  executionIds: readonly string[],
  { signal, onProgress, stallMs }: SettleOptions,
): Promise<boolean> {
  const stall = new StallWatch(stallMs)
  const until = AbortSignal.any([signal, stall.signal])
  setMaxListeners(WAITERS, until)
  const ids = executionIds.values()
  let settled = 0
  // All waiters draw from one iterator: none waits for another's flights.
  const wait = async (): Promise<void> => {
    for (const executionId of ids) {
      await ended(client, executionId, until)
      settled += 1
      stall.moved()
      onProgress(settled)
    }
  }
  try {
    await Promise.all(Array.from({ length: WAITERS }, wait))
    return true
  } catch (error) {
    if (!stall.signal.aborted || signal.aborted) throw error
    return false
  } finally {
    stall.end()
  }
}

async function ended(client: Client, executionId: string, signal: AbortSignal): Promise<void> {
  try {
    await client.result(executionId, { timeout: '1 year', signal })
  } catch (error) {
    const code = errorCode(error)
    if (code === undefined || !ENDED.includes(code)) throw error
  }
}

/** Aborts its signal when `moved` was not called for `stallMs`. */
class StallWatch {
  private readonly controller = new AbortController()
  private readonly stallMs: number
  private movedAtMs = systemClock.monotonicMs()
  private cancel: () => void

  constructor(stallMs: number) {
    this.stallMs = stallMs
    this.cancel = this.look(stallMs)
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  moved(): void {
    this.movedAtMs = systemClock.monotonicMs()
  }

  end(): void {
    this.cancel()
  }

  private look(inMs: number): () => void {
    return systemClock.after(inMs, () => {
      const leftMs = this.movedAtMs + this.stallMs - systemClock.monotonicMs()
      if (leftMs > 0) this.cancel = this.look(leftMs)
      else this.controller.abort(new Error('nothing ended for long'))
    })
  }
}
