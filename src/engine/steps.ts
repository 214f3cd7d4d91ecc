// Steps of a run: attempts, waits between them, and what is recorded of them. Short waits stay in memory, longer ones
// become timers, so that a crash or a deploy in between costs nothing.

import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import { CanceledError } from '../core/failure.js'
import { randomFraction } from '../core/ports.js'
import { isRetryable, resolveRetry, retryWaitMs } from '../core/retry.js'
import type { Command, StepCommand, TransactionCommand } from '../workflow/command.js'
import type { Run } from './run.js'
import { Attempt, type AttemptResult } from './step-attempt.js'

/** Waits up to this long are spent in memory; a timer row costs more than they are worth. */
const MEMORY_WAIT_MS = 1_000

interface Progress {
  readonly attempt: number
  /** Monotonic time at which the first attempt began, moved back by what earlier processes spent. */
  readonly begunMs: number
  /** Encoded. */
  readonly lastHeartbeat: string | undefined
}

interface RetryDetail {
  readonly elapsedMs: number
  readonly heartbeat?: string
}

export function beginStep(run: Run, command: StepCommand): void {
  const { intent } = command
  if (run.forgone.has(command.seq)) return
  if (intent === undefined) {
    return runAttempt(run, command, {
      attempt: 1,
      begunMs: run.host.clock.monotonicMs(),
      lastHeartbeat: undefined,
    })
  }
  run.setTimer('retry', command, intent.dueAt)
}

/** The wait of a recorded retry is over. */
export function retryDue(run: Run, command: Command): void {
  if (command.kind !== 'step') return
  const detail = readDetail(command.intent?.detail)
  runAttempt(run, command, {
    attempt: (command.intent?.attempt ?? 0) + 1,
    begunMs: run.host.clock.monotonicMs() - detail.elapsedMs,
    lastHeartbeat: detail.heartbeat,
  })
}

function runAttempt(run: Run, command: StepCommand, progress: Progress): void {
  run.attempts.set(command.seq, undefined)
  run.stepSlots.acquire(() => run.host.stepSlots.acquire(() => begin(run, command, progress)))
}

function begin(run: Run, command: StepCommand, progress: Progress): void {
  const isLive = run.state === 'live' && !run.isClosing
  if (!isLive || !run.host.isTrusted()) {
    release(run)
    if (isLive) run.drop('lost')
    return
  }
  const { seq } = command
  const isOwed = run.instance.isOwed(seq)
  // Canceled while it waited for its turn.
  if (run.forgone.has(seq) || (!isOwed && !run.instance.pending.has(seq))) {
    release(run)
    run.attempts.delete(seq)
    return run.pump()
  }
  const attempt = new Attempt({
    command,
    executionId: run.executionId,
    run: run.run,
    attempt: progress.attempt,
    lastHeartbeat: progress.lastHeartbeat,
    remainingMs: remainingMs(run, command, progress),
    payloadBytesMax: run.host.limits.payloadBytesMax,
    clock: run.host.clock,
    ended: () => release(run),
    settled: (result) => ended(run, command, progress, attempt, result),
  })
  run.attempts.set(seq, attempt)
  // Begun before a crash: how it ended has to be known, but it need not succeed any more.
  if (isOwed) attempt.abort(unwanted(run))
  attempt.begin()
}

/**
 * The code has failed or was canceled: what it waited for is stopped. Steps that will have to be undone are waited for
 * and not tried again; of those that have not begun, or whose last attempt failed, the end is recorded at once.
 */
export function stopUnwanted(run: Run): void {
  for (const [seq, attempt] of run.attempts) {
    if (run.instance.isOwed(seq) || !run.instance.pending.has(seq)) attempt?.abort(unwanted(run))
    if (!run.instance.pending.has(seq) && !run.instance.isOwed(seq))
      attempt?.giveUpAfter(run.host.limits.cancelGraceMs, unwanted(run))
  }
  for (const command of run.instance.owing) {
    const { seq, name } = command
    const timer = run.timers.get(seq)
    const isBegun = run.attempts.get(seq) !== undefined
    if (isBegun || run.forgone.has(seq)) continue
    run.forgone.set(seq, true)
    run.attempts.delete(seq)
    run.timers.delete(seq)
    const attempt = timer?.command.intent?.attempt
    const payload = timer?.command.intent?.payload ?? run.encodeFailure(unwanted(run), { step: name })
    run.append({ type: 'step_failed', seq, name, ...(attempt === undefined ? {} : { attempt }), payload })
  }
}

function unwanted(run: Run): CanceledError {
  return new CanceledError(run.instance.isCanceled ? 'its execution was canceled' : 'its execution failed')
}

function release(run: Run): void {
  run.stepSlots.release()
  run.host.stepSlots.release()
}

function ended(
  run: Run,
  command: StepCommand,
  progress: Progress,
  attempt: Attempt,
  result: AttemptResult,
): void {
  if (run.state !== 'live') return
  const { seq, name } = command
  if (result.ok) {
    try {
      const payload = run.encode(result.value, `result of step "${name}"`)
      return record(run, seq, {
        type: 'step_completed',
        seq,
        name,
        attempt: progress.attempt,
        ...(payload === undefined ? {} : { payload }),
      })
    } catch (error) {
      return fail(run, command, progress, error)
    }
  }
  const policy = resolveRetry(command.options.retry, name)
  const isWanted = run.instance.isWanted(seq) && run.instance.outcome?.kind !== 'failed'
  if (
    result.final ||
    !isWanted ||
    progress.attempt >= policy.attempts ||
    !isRetryable(policy, result.error)
  ) {
    return fail(run, command, progress, result.error)
  }
  const waitMs = retryWaitMs(policy, progress.attempt, randomFraction())
  const left = remainingMs(run, command, progress)
  if (left !== undefined && waitMs >= left) return fail(run, command, progress, result.error)
  const next = { ...progress, attempt: progress.attempt + 1, lastHeartbeat: attempt.heartbeatGiven }
  if (waitMs <= MEMORY_WAIT_MS && !run.host.isDraining) {
    run.attempts.set(seq, undefined)
    run.host.clock.after(waitMs, () => {
      if (run.state === 'live') runAttempt(run, command, next)
    })
    return
  }
  const elapsedMs = Math.round(run.host.clock.monotonicMs() - progress.begunMs + waitMs)
  record(run, seq, {
    type: 'step_retrying',
    seq,
    name,
    attempt: progress.attempt,
    payload: run.encodeFailure(result.error, { step: name, attempt: progress.attempt }),
    detail: detailOf(elapsedMs, attempt.heartbeatGiven),
    // Whole: the database and this process must not round it to two instants.
    delayMs: Math.ceil(waitMs),
  })
}

function fail(run: Run, command: StepCommand, progress: Progress, error: unknown): void {
  const { seq, name } = command
  const { attempt } = progress
  record(run, seq, {
    type: 'step_failed',
    seq,
    name,
    attempt,
    payload: run.encodeFailure(error, { step: name, attempt }),
  })
}

function record(run: Run, seq: number, event: NewEvent): void {
  run.attempts.delete(seq)
  run.append(event)
  run.pump()
}

function remainingMs(run: Run, command: StepCommand, progress: Progress): number | undefined {
  const { totalTimeout } = command.options
  if (totalTimeout === undefined) return undefined
  return durationMs(totalTimeout, 'total time-out') - (run.host.clock.monotonicMs() - progress.begunMs)
}

function detailOf(elapsedMs: number, heartbeat: string | undefined): string {
  const detail: RetryDetail = { elapsedMs, ...(heartbeat === undefined ? {} : { heartbeat }) }
  return JSON.stringify(detail)
}

function readDetail(text: string | undefined): RetryDetail {
  const parsed: unknown = text === undefined ? undefined : JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || !('elapsedMs' in parsed)) return { elapsedMs: 0 }
  return {
    elapsedMs: Number(parsed.elapsedMs),
    ...('heartbeat' in parsed && typeof parsed.heartbeat === 'string' ? { heartbeat: parsed.heartbeat } : {}),
  }
}

/** A transactional step: the user's writes and the step's record are one transaction, so it takes effect once. */
export function beginTransaction(run: Run, command: TransactionCommand): void {
  run.attempts.set(command.seq, undefined)
  run.stepSlots.acquire(() => run.host.stepSlots.acquire(() => void transact(run, command)))
}

async function transact(run: Run, command: TransactionCommand): Promise<void> {
  const { seq, name } = command
  let holds = false
  let event: NewEvent | undefined
  try {
    if (run.state !== 'live' || run.isClosing) return
    if (!run.host.isTrusted()) return run.drop('lost')
    // Canceled while it waited for its turn.
    if (!run.instance.pending.has(seq)) {
      run.attempts.delete(seq)
      return run.pump()
    }
    const { outcome } = await run.host.store.transact({
      key: run.key,
      nodeId: run.host.nodeId,
      claimEpoch: run.claimEpoch,
      work: (sql) => command.work(sql),
      event: (result) => {
        const payload = run.encode(result, `result of transaction "${name}"`)
        event = {
          type: 'step_completed',
          seq,
          name,
          attempt: 1,
          ...(payload === undefined ? {} : { payload }),
        }
        return event
      },
      lock: async () => {
        if (!holds) holds = await run.acquireAppend(seq)
        if (!holds || run.state !== 'live' || run.isClosing)
          throw new CerebelumError(
            'CONFLICT',
            `Execution "${run.executionId}" no longer waits for transaction "${name}".`,
          )
        return run.version
      },
      unlock: () => {
        holds = false
        run.yieldAppend()
      },
    })
    run.attempts.delete(seq)
    await run.appended(event, outcome)
  } catch (error) {
    const isWanted = run.attempts.delete(seq)
    if (run.state !== 'live') return
    if (!isWanted) return holds ? await run.appended(undefined, undefined) : undefined
    if (error instanceof CerebelumError && ['DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN'].includes(error.code)) {
      return run.drop('unavailable', error)
    }
    run.append({
      type: 'step_failed',
      seq,
      name,
      attempt: 1,
      payload: run.encodeFailure(error, { step: name, attempt: 1 }),
    })
    if (holds) await run.appended(undefined, undefined)
    else run.pump()
  } finally {
    release(run)
  }
}
