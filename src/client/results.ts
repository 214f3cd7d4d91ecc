// Waiting for results: one query asks for all that this client waits for; what closes in this process is told.

import { LRUCache } from 'lru-cache'
import { decode } from '../core/codec.js'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { isClosed, type ExecutionKey, type ExecutionStatus } from '../core/execution.js'
import { fromFailure } from '../core/failure.js'
import { checkId } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Store } from '../store/store.js'
import type { ResultOptions } from './client.js'
import type { Host } from './host.js'
import { notFound } from './refusals.js'
import { reasonOf } from './render.js'
import { WaitingRoom } from './waiting-room.js'

interface Closed {
  readonly status: ExecutionStatus | 'missing'
  readonly payload: string | undefined
}

const TIMEOUT_MS = 3_600_000
/** What runs in this process is told when it closes; the query is only for what went elsewhere. */
const TOLD_FIRST_MS = 500
const CLOSED_HERE_MAX = 10_000

export interface ResultsOptions {
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  readonly host?: Host
}

export class Results {
  private readonly options: ResultsOptions
  private readonly room: WaitingRoom<ExecutionKey, Closed>
  private readonly unsubscribe: (() => void) | undefined
  /** Who asks after the telling must not wait for it. */
  private readonly closedHere = new LRUCache<string, true>({ max: CLOSED_HERE_MAX })

  constructor(options: ResultsOptions) {
    this.options = options
    const { limits, clock, log, host } = options
    this.room = new WaitingRoom({
      name: 'results',
      clock,
      log,
      waitersMax: limits.waitersMax,
      read: (keys) => this.read(keys),
    })
    this.unsubscribe = host?.onClosed((id, status, payload) => {
      this.closedHere.set(id, true)
      this.room.tell(id, { status, payload })
    })
  }

  /** `isStartedHere`: it most likely runs in this process. */
  async wait(executionId: string, options: ResultOptions = {}, isStartedHere = false): Promise<unknown> {
    const { limits, store, host } = this.options
    const isTold = isStartedHere && host !== undefined && !this.closedHere.has(executionId)
    const { timeout, signal } = options
    checkId(executionId, 'execution id', limits.idCharactersMax)
    const timeoutMs = timeout === undefined ? TIMEOUT_MS : durationMs(timeout, 'time to wait for a result')
    const closed = await this.room.wait(executionId, store.keyOf(executionId), {
      timeoutMs,
      firstMs: isTold ? TOLD_FIRST_MS : 0,
      ...(signal === undefined ? {} : { signal }),
      onTimeout: () =>
        new CerebelumError(
          'RESULT_TIMEOUT',
          `Execution "${executionId}" did not end within ${timeoutMs} ms. It goes on; ask again later.`,
          { executionId },
        ),
    })
    return outcomeOf(executionId, closed)
  }

  /** It was closed from here: ask at once. */
  hurry(executionId: string): void {
    this.closedHere.set(executionId, true)
    this.room.hurry(executionId)
  }

  stop(): Promise<void> {
    this.unsubscribe?.()
    return this.room.stop()
  }

  private async read(keys: readonly ExecutionKey[]): Promise<(Closed | null)[]> {
    const { store } = this.options
    const rows = await store.readExecutions(keys)
    const ended = rows.flatMap((row) => (row !== null && isClosed(row.status) ? [row] : []))
    const events =
      ended.length === 0
        ? []
        : await store.readHistories(
            ended.map((row) => ({ key: row.key, from: row.version })),
            1,
          )
    const payloads = new Map(ended.map((row, index) => [row.key.executionId, events[index]?.[0]?.payload]))
    return rows.map((row) => {
      if (row === null) return { status: 'missing', payload: undefined }
      return isClosed(row.status) ? { status: row.status, payload: payloads.get(row.key.executionId) } : null
    })
  }
}

function outcomeOf(executionId: string, { status, payload }: Closed): unknown {
  switch (status) {
    case 'completed':
      return decode(payload)
    case 'missing':
      throw notFound(executionId)
    case 'terminated':
      throw new CerebelumError(
        'EXECUTION_TERMINATED',
        `Execution "${executionId}" was terminated: ${reasonOf(decode(payload))}.`,
        { executionId },
      )
    case 'canceled':
      throw new CerebelumError('EXECUTION_CANCELED', `Execution "${executionId}" was canceled.`, {
        executionId,
        cause: fromFailure(decode(payload)),
      })
    default: {
      const cause = fromFailure(decode(payload))
      throw new CerebelumError('EXECUTION_FAILED', `Execution "${executionId}" failed: ${cause.message}`, {
        executionId,
        cause,
      })
    }
  }
}
