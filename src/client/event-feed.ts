// The events of executions as they are written, for any number of followers: one query asks for all of them, each backs off
// by itself while nothing happens. A follower that is slow is not read ahead for.

import { CerebelumError, errorCode } from '../core/errors.js'
import { isClosed, type ExecutionKey } from '../core/execution.js'
import type { Event } from '../core/event.js'
import type { Limits } from '../core/limits.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'
import { notFound } from './refusals.js'
import { WaitingRoom } from './waiting-room.js'

/** Of one execution at a time. */
const EVENTS_MAX = 100
/** How long nothing may come before its row is looked at: it may have been deleted. */
const QUIET_MS = 30_000

interface Wanted {
  readonly key: ExecutionKey
  readonly from: number
}

export interface EventFeedOptions {
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
}

export class EventFeed {
  readonly #store: Store
  readonly #room: WaitingRoom<Wanted, readonly Event[]>

  constructor({ store, limits, clock, log }: EventFeedOptions) {
    this.#store = store
    this.#room = new WaitingRoom<Wanted, readonly Event[]>({
      name: 'followers',
      clock,
      log,
      waitersMax: limits.waitersMax,
      async read(wanted) {
        const histories = await store.readHistories(wanted, EVENTS_MAX)
        return histories.map((events) => (events.length === 0 ? null : events))
      },
    })
  }

  /**
   * In their order, without a gap or a repeat; ends behind the event that closes it.
   * @throws CerebelumError EXECUTION_NOT_FOUND | TOO_MANY | ENGINE_STOPPED
   */
  async *events(
    key: ExecutionKey,
    options: { readonly after: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<Event, void, undefined> {
    const { signal } = options
    let from = options.after + 1
    while (signal?.aborted !== true) {
      const events = await this.#next({ key, from }, signal)
      if (events === null) return
      for (const event of events) yield event
      from += events.length
      if (CLOSING.has(events.at(-1)?.type ?? '') && (await this.#isOver(key, from))) return
    }
  }

  stop(): Promise<void> {
    return this.#room.stop()
  }

  /** Null: there will be none. */
  async #next(wanted: Wanted, signal: AbortSignal | undefined): Promise<readonly Event[] | null> {
    const { executionId } = wanted.key
    for (;;) {
      try {
        return await this.#room.wait(`${wanted.from} ${executionId}`, wanted, {
          timeoutMs: QUIET_MS,
          firstMs: 0,
          ...(signal === undefined ? {} : { signal }),
          onTimeout: () => new CerebelumError('RESULT_TIMEOUT', 'nothing has happened', { executionId }),
        })
      } catch (error) {
        if (signal?.aborted === true) return null
        if (errorCode(error) !== 'RESULT_TIMEOUT') throw error
        if (await this.#isOver(wanted.key, wanted.from)) return null
      }
    }
  }

  async #isOver(key: ExecutionKey, from: number): Promise<boolean> {
    const [row = null] = await this.#store.readExecutions([key])
    if (row === null) throw notFound(key.executionId)
    return isClosed(row.status) && row.version < from
  }
}

const CLOSING: ReadonlySet<string> = new Set(['completed', 'failed', 'canceled', 'terminated'])
