// Everybody in this process who waits for something in the database (a result, an answer) waits here: one query asks
// for all that are due, each waiter backs off by itself, and what happens in this process is told without a query.

import { CerebelumError } from '../core/errors.js'
import { Loop } from '../core/loop.js'
import type { Clock, Logger } from '../core/ports.js'

interface Waiter<R> {
  readonly resolve: (value: R) => void
  readonly reject: (error: unknown) => void
}

interface Entry<K, R> {
  readonly key: K
  readonly waiters: Set<Waiter<R>>
  nextMs: number
  waitMs: number
}

export interface WaitingRoomOptions<K, R> {
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  /** Reads all at once; null: not yet. */
  readonly read: (keys: readonly K[]) => Promise<(R | null)[]>
  /** Waiters of this process; more are refused with TOO_MANY. */
  readonly waitersMax: number
}

const BATCH_MAX = 1_000
const FIRST_MS = 20
const LONGEST_MS = 500

export class WaitingRoom<K, R> {
  private readonly options: WaitingRoomOptions<K, R>
  private readonly entries = new Map<string, Entry<K, R>>()
  private readonly loop: Loop
  private isStarted = false
  private isStopped = false
  private waiting = 0

  constructor(options: WaitingRoomOptions<K, R>) {
    this.options = options
    const { name, clock, log } = options
    this.loop = new Loop({ name, clock, log, turn: () => this.turn(), afterErrorMs: 200 })
  }

  /**
   * Waits until `read` gives a value or `tell` does.
   * @param firstMs when to ask first; later for what is expected to be told
   * @throws RESULT_TIMEOUT via `onTimeout`, the signal's reason, or what `read` put in
   */
  wait(
    id: string,
    key: K,
    options: { timeoutMs: number; firstMs: number; signal?: AbortSignal; onTimeout: () => Error },
  ): Promise<R> {
    if (options.signal?.aborted === true) return Promise.reject(options.signal.reason)
    if (this.isStopped) return Promise.reject(stopped())
    if (this.waiting >= this.options.waitersMax) {
      return Promise.reject(
        new CerebelumError(
          'TOO_MANY',
          `Over ${this.options.waitersMax} calls of this client wait already (limit waitersMax). Wait for fewer at once.`,
          { limit: 'waitersMax', retryAfterMs: 1_000 },
        ),
      )
    }
    return new Promise<R>((resolve, reject) => {
      const nowMs = this.options.clock.monotonicMs()
      const entry = this.entries.get(id) ?? {
        key,
        waiters: new Set(),
        nextMs: nowMs + options.firstMs,
        waitMs: FIRST_MS,
      }
      this.entries.set(id, entry)
      const leave = (): void => {
        cancel()
        options.signal?.removeEventListener('abort', onAbort)
        if (entry.waiters.delete(waiter)) this.waiting--
        if (entry.waiters.size === 0 && this.entries.get(id) === entry) this.entries.delete(id)
      }
      const waiter: Waiter<R> = {
        resolve: (value) => {
          leave()
          resolve(value)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      const cancel = this.options.clock.after(options.timeoutMs, () => waiter.reject(options.onTimeout()))
      const onAbort = (): void => waiter.reject(options.signal?.reason)
      options.signal?.addEventListener('abort', onAbort, { once: true })
      entry.waiters.add(waiter)
      this.waiting++
      this.ensureLoop(options.firstMs === 0 || this.entries.size === 1)
    })
  }

  has(id: string): boolean {
    return this.entries.has(id)
  }

  tell(id: string, value: R): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    for (const waiter of Array.from(entry.waiters)) waiter.resolve(value)
  }

  /** Asks for this one at once. */
  hurry(id: string): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    entry.nextMs = 0
    this.loop.poke()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    for (const entry of Array.from(this.entries.values()))
      for (const waiter of Array.from(entry.waiters)) waiter.reject(stopped())
    await this.loop.stop()
  }

  private ensureLoop(poke: boolean): void {
    if (this.isStarted) {
      if (poke) this.loop.poke()
      return
    }
    this.isStarted = true
    this.loop.start()
  }

  private async turn(): Promise<number> {
    const nowMs = this.options.clock.monotonicMs()
    const due = [...this.entries].filter(([, entry]) => entry.nextMs <= nowMs).slice(0, BATCH_MAX)
    if (due.length > 0) {
      const found = await this.options.read(due.map(([, entry]) => entry.key))
      for (const [index, [id, entry]] of due.entries()) {
        const value = found[index]
        if (value !== null && value !== undefined) this.tell(id, value)
        entry.waitMs = Math.min(entry.waitMs * 2, LONGEST_MS)
        entry.nextMs = this.options.clock.monotonicMs() + entry.waitMs
      }
      if (due.length === BATCH_MAX) return 0
    }
    return this.entries.size === 0 ? 60_000 : FIRST_MS
  }
}

function stopped(): CerebelumError {
  return new CerebelumError(
    'ENGINE_STOPPED',
    'This client was closed while somebody waited. What was waited for goes on; ask again with another client.',
  )
}
