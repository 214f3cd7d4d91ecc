// What a signal does: the first asks for an orderly end (drain, hand back, close), a second one ends at once. A
// terminal's Ctrl-C reaches a program under npm twice, so what comes right after the first is the same wish.

import { setMaxListeners } from 'node:events'
import { exitCodeOfSignal } from './exit-codes.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
export type StopSignal = (typeof SIGNALS)[number]

export interface Interrupt {
  /** Aborted by the first signal, with an error that has code `INTERRUPTED`. */
  readonly aborted: AbortSignal
  /** The first signal. */
  readonly by: StopSignal | undefined
}

const SAME_WISH_MS = 1_000

export function listenForSignals(): Interrupt {
  const controller = new AbortController()
  // Hundreds wait at the same time, and every wait listens.
  setMaxListeners(0, controller.signal)
  let by: StopSignal | undefined
  let atMs = 0
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (by === undefined) {
        by = name
        atMs = performance.now()
        process.stderr.write(`\n${name}: finishing what is in flight; once more to end at once\n`)
        controller.abort(new Interrupted(name))
      } else if (performance.now() - atMs > SAME_WISH_MS) {
        process.exit(exitCodeOfSignal(name))
      }
    })
  }
  return {
    aborted: controller.signal,
    get by() {
      return by
    },
  }
}

/** Resolves at the first signal. */
export function untilInterrupted({ aborted }: Interrupt): Promise<void> {
  return new Promise((resolve) => {
    if (aborted.aborted) resolve()
    else aborted.addEventListener('abort', () => resolve(), { once: true })
  })
}

class Interrupted extends Error {
  readonly code = 'INTERRUPTED'

  constructor(name: StopSignal) {
    super(`stopped by ${name}`)
    this.name = 'Interrupted'
  }
}

export function isInterrupted(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'INTERRUPTED'
}
