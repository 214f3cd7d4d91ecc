// Waiting that ends: for what is good to have done before one goes on, and must not keep anybody from going.

import type { Clock } from './ports.js'

/** Waits for the work, but not longer than `ms`; false when it had not ended by then. Its failure is its own affair. */
export function settledWithin(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve(false))
    const settled = (): void => {
      cancel()
      resolve(true)
    }
    work.then(settled, settled)
  })
}
