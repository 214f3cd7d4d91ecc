// Waiting for a result over HTTP: long polls, one after the other, until it is there or the time is over.

import type { ResultOptions } from '../client/client.js'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { ExecutionStatus } from '../core/execution.js'
import { fromFailure, type Failure } from '../core/failure.js'
import { systemClock } from '../core/ports.js'
import type { Transport } from './transport.js'

const TIMEOUT_MS = 3_600_000
/** Below what balancers cut, and what the server waits at most. */
const POLL_MS_MAX = 50_000

interface Polled<T> {
  readonly status: ExecutionStatus
  readonly result: T
  readonly failure?: Failure
}

export class Results {
  private readonly transport: Transport

  constructor(transport: Transport) {
    this.transport = transport
  }

  async wait<T>(executionId: string, options: ResultOptions = {}): Promise<T> {
    const { timeout, signal } = options
    const timeoutMs = timeout === undefined ? TIMEOUT_MS : durationMs(timeout, 'time to wait for a result')
    const endMs = systemClock.monotonicMs() + timeoutMs
    for (;;) {
      const leftMs = Math.max(0, Math.ceil(endMs - systemClock.monotonicMs()))
      const waitMs = Math.min(POLL_MS_MAX, leftMs)
      const { status, body } = await this.transport.send<Polled<T>>({
        method: 'GET',
        path: ['executions', executionId, 'result'],
        query: { timeoutMs: waitMs },
        waitMs,
        signal,
      })
      if (status === 200) return outcomeOf(executionId, body)
      if (systemClock.monotonicMs() < endMs) continue
      throw new CerebelumError(
        'RESULT_TIMEOUT',
        `Execution "${executionId}" did not end within ${timeoutMs} ms. It goes on; ask again later.`,
        { executionId },
      )
    }
  }
}

const CODES = {
  failed: ['EXECUTION_FAILED', 'failed'],
  canceled: ['EXECUTION_CANCELED', 'was canceled'],
  terminated: ['EXECUTION_TERMINATED', 'was terminated'],
} as const

function outcomeOf<T>(executionId: string, { status, result, failure }: Polled<T>): T {
  if (status !== 'failed' && status !== 'canceled' && status !== 'terminated') return result
  const [code, what] = CODES[status]
  const cause = fromFailure(failure)
  throw new CerebelumError(code, `Execution "${executionId}" ${what}: ${cause.message}`, {
    executionId,
    cause,
  })
}
