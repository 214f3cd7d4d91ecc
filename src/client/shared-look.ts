// One look at the database every so often for any number of watchers, none while nobody watches. A watcher that is slow
// misses looks, never the newest one.

import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'

export interface SharedLookOptions<T> {
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  readonly everyMs: number
  readonly look: () => Promise<T>
}

export class SharedLook<T> {
  readonly #options: SharedLookOptions<T>
  readonly #watchers = new Set<() => void>()
  #seen: { readonly value: T } | undefined
  #loop: Loop | undefined
  #isStopped = false

  constructor(options: SharedLookOptions<T>) {
    this.#options = options
  }

  get watchers(): number {
    return this.#watchers.size
  }

  /** What each look saw, beginning with the newest; ends when the signal aborts or the look is stopped. */
  async *values(signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    let wake = (): void => undefined
    let isNew = true
    const watcher = (): void => {
      isNew = true
      wake()
    }
    this.#join(watcher)
    signal?.addEventListener('abort', watcher, { once: true })
    try {
      while (!this.#isStopped && signal?.aborted !== true) {
        if (isNew && this.#seen !== undefined) {
          isNew = false
          yield this.#seen.value
        } else {
          await new Promise<void>((resolve) => (wake = resolve))
        }
      }
    } finally {
      signal?.removeEventListener('abort', watcher)
      await this.#leave(watcher)
    }
  }

  /** All watchers end. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const watcher of this.#watchers) watcher()
    await this.#loop?.stop()
  }

  #join(watcher: () => void): void {
    this.#watchers.add(watcher)
    if (this.#loop !== undefined || this.#isStopped) return
    const { name, clock, log, everyMs } = this.#options
    this.#loop = new Loop({ name, clock, log, turn: () => this.#look(), afterErrorMs: everyMs })
    this.#loop.start()
  }

  async #leave(watcher: () => void): Promise<void> {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    const loop = this.#loop
    this.#loop = undefined
    this.#seen = undefined
    await loop?.stop()
  }

  async #look(): Promise<number> {
    this.#seen = { value: await this.#options.look() }
    for (const watcher of this.#watchers) watcher()
    return this.#options.everyMs
  }
}
