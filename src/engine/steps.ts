// Steps of a run: attempts, waits between them, and what is recorded of them. Short waits stay in memory, longer ones
// become timers, so that a crash or a deploy in between costs nothing.

import { decode } from '../core/codec.js'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import { CanceledError, fromFailure } from '../core/failure.js'
import { randomFraction } from '../core/ports.js'
import { isRetryable, retryWaitMs } from '../core/retry.js'
import type { Command, StepCommand } from '../workflow/command.js'
import type { Run } from './run.js'
import { Attempt, type AttemptResult } from './step-attempt.js'

/** Waits up to this long are spent in memory; a timer row costs more than they are worth. */
const MEMORY_WAIT_MS = 1_000

/** What `events.attempt` holds; a step that is tried more often goes on, counted as this. */
const ATTEMPT_RECORDED_MAX = 32_767

interface Progress {
  readonly attempt: number
  /** Encoded. */
  readonly lastHeartbeat: string | undefined
  /** How the attempt before ended, as long as no event says so. */
  readonly failure?: string
  /** By that attempt. */
  readonly taken?: Taken
}

interface RetryDetail {
  readonly heartbeat?: string
}

/**
 * How long the attempt took, and the step since the code asked for it, where there was more than one attempt: for people
 * who read histories; no replay looks at it. Left out below a millisecond, so that a fast step costs no byte more.
 */
interface Taken {
  readonly ms?: number
  readonly totalMs?: number
}

export function beginStep(run: Run, command: StepCommand): void {
  const { intent } = command
  if (run.forgone.has(command.seq)) return
  if (intent === undefined) {
    return runAttempt(run, command, { attempt: 1, lastHeartbeat: undefined })
  }
  run.setTimer('retry', command, intent.dueAt)
}

/** The wait of a recorded retry is over. */
export function retryDue(run: Run, command: Command): void {
  if (command.kind !== 'step') return
  runAttempt(run, command, {
    attempt: (command.intent?.attempt ?? 0) + 1,
    lastHeartbeat: readDetail(command.intent?.detail).heartbeat,
  })
}

function runAttempt(run: Run, command: StepCommand, progress: Progress): void {
  run.attempts.set(command.seq, undefined)
  acquireSlots(run, () => begin(run, command, progress))
}

/** A slot of the execution and one of the node. */
export function acquireSlots(run: Run, begin: () => void): void {
  if (!run.stepSlots.take()) run.stepSlots.acquire(() => run.host.stepSlots.acquire(begin))
  else run.host.stepSlots.acquire(begin)
}

export function releaseSlots(run: Run): void {
  run.stepSlots.release()
  run.host.stepSlots.release()
}

function begin(run: Run, command: StepCommand, progress: Progress): void {
  if (run.state !== 'live' || run.isClosing) return releaseSlots(run)
  // A late renewal is no loss: the step begins when the lease is trusted again, or not at all.
  if (!run.host.isTrusted()) return run.host.onceTrusted(() => begin(run, command, progress))
  const { seq } = command
  const isOwed = run.instance.isOwed(seq)
  // Canceled while it waited for its turn.
  if (run.forgone.has(seq) || (!isOwed && !run.instance.pending.has(seq))) {
    releaseSlots(run)
    run.attempts.delete(seq)
    return run.pump()
  }
  if (run.host.isDraining || run.isPausing) {
    releaseSlots(run)
    return holdBack(run, command, progress)
  }
  const leftMs = remainingMs(run, command)
  if (leftMs !== undefined && leftMs <= 0) {
    releaseSlots(run)
    return failLate(run, command, progress)
  }
  const trace = run.trace?.attempt({
    seq,
    name: command.name,
    attempt: progress.attempt,
    atMs: run.databaseMs(),
  })
  const attempt = new Attempt({
    command,
    trace,
    executionId: run.executionId,
    run: run.run,
    attempt: progress.attempt,
    lastHeartbeat: progress.lastHeartbeat,
    remainingMs: leftMs,
    payloadBytesMax: run.host.limits.payloadBytesMax,
    clock: run.host.clock,
    ended: () => releaseSlots(run),
    settled: (result) => ended(run, command, progress, attempt, result),
  })
  run.attempts.set(seq, attempt)
  // Begun before a crash: how it ended has to be known, but it need not succeed any more.
  if (isOwed) attempt.abort(unwanted(run))
  attempt.begin()
}

/** Nothing begins here any more: it is begun by the next claim, which must not take this copy of the run. */
function holdBack(run: Run, command: StepCommand, progress: Progress): void {
  const { seq } = command
  run.attempts.delete(seq)
  run.isHeldBack = true
  if (progress.failure !== undefined)
    run.append(retrying(command, { ...progress, failure: progress.failure }, 0))
  run.pump()
}

/** Its total time was over before this attempt could begin: in a queue, in a wait, or while no node ran it. */
function failLate(run: Run, command: StepCommand, progress: Progress): void {
  const last = progress.failure ?? command.intent?.payload
  const error = new CerebelumError(
    'STEP_TIMEOUT',
    `Step "${command.name}" of execution "${run.executionId}" exceeded its total time-out of ${String(command.options.totalTimeout)} ` +
      `before attempt ${progress.attempt} began. Allow more time, or look for what kept it waiting.`,
    {
      executionId: run.executionId,
      step: command.name,
      ...(last === undefined ? {} : { cause: fromFailure(decode(last)) }),
    },
  )
  fail(run, command, progress, error)
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

function ended(
  run: Run,
  command: StepCommand,
  progress: Progress,
  attempt: Attempt,
  result: AttemptResult,
): void {
  if (run.state !== 'live') return
  const { seq, name } = command
  attempt.trace?.end(result.ok ? undefined : result, run.databaseMs())
  const meters = run.host.meters.of(run.definition.name)
  meters.attempt(result.ok, run.host.clock.monotonicMs() - attempt.begunMs)
  if (result.ok) {
    try {
      const payload = run.encode(result.value, `result of step "${name}"`)
      const event = { type: 'step_completed', seq, name, attempt: recorded(progress.attempt) } as const
      const took = taken(run, command, progress, attempt)
      if (payload !== undefined && took.ms === undefined) return record(run, seq, { ...event, payload })
      return record(run, seq, {
        ...event,
        ...(payload === undefined ? {} : { payload }),
        ...takenDetail(took),
      })
    } catch (error) {
      return fail(run, command, progress, error, attempt)
    }
  }
  const policy = command.retry
  const isWanted = run.instance.isWanted(seq) && run.instance.outcome?.kind !== 'failed'
  if (
    result.final ||
    !isWanted ||
    progress.attempt >= policy.attempts ||
    !isRetryable(policy, result.error)
  ) {
    return fail(run, command, progress, result.error, attempt)
  }
  const waitMs = retryWaitMs(policy, progress.attempt, randomFraction())
  const leftMs = remainingMs(run, command)
  if (leftMs !== undefined && waitMs >= leftMs) return fail(run, command, progress, result.error, attempt)
  meters.retries++
  logFailed(run, command, progress, result.error, false)
  const next = {
    attempt: progress.attempt + 1,
    lastHeartbeat: attempt.heartbeatGiven,
    failure: run.encodeFailure(result.error, { step: name, attempt: progress.attempt }),
    taken: taken(run, command, progress, attempt),
  }
  if (waitMs > MEMORY_WAIT_MS || run.host.isDraining || run.isPausing)
    return record(run, seq, retrying(command, next, waitMs))
  run.attempts.set(seq, undefined)
  run.host.clock.after(waitMs, () => {
    if (run.state === 'live') runAttempt(run, command, next)
  })
}

/** That an attempt failed and the next one is due. */
function retrying(
  command: StepCommand,
  next: Progress & { readonly failure: string },
  waitMs: number,
): NewEvent {
  const { attempt, failure, lastHeartbeat } = next
  const detail: RetryDetail & Taken = {
    ...next.taken,
    ...(lastHeartbeat === undefined ? {} : { heartbeat: lastHeartbeat }),
  }
  return {
    type: 'step_retrying',
    seq: command.seq,
    name: command.name,
    attempt: recorded(attempt - 1),
    payload: failure,
    detail: JSON.stringify(detail),
    // Whole: the database and this process must not round it to two instants.
    delayMs: Math.ceil(waitMs),
  }
}

function recorded(attempt: number): number {
  return Math.min(attempt, ATTEMPT_RECORDED_MAX)
}

function fail(
  run: Run,
  command: StepCommand,
  progress: Progress,
  error: unknown,
  /** Left out when it did not begin. */
  last?: Attempt,
): void {
  const { seq, name } = command
  const { attempt } = progress
  logFailed(run, command, progress, error, true)
  record(run, seq, {
    type: 'step_failed',
    seq,
    name,
    attempt: recorded(attempt),
    payload: run.encodeFailure(error, { step: name, attempt }),
    ...(last === undefined ? {} : takenDetail(taken(run, command, progress, last))),
  })
}

/** Users' code fails as it likes: at level info at most, and without a word where nobody listens. */
function logFailed(
  run: Run,
  command: StepCommand,
  progress: Progress,
  error: unknown,
  isFinal: boolean,
): void {
  const { log } = run.host
  const fields = {
    err: error,
    executionId: run.executionId,
    run: run.run,
    workflow: run.definition.name,
    step: command.name,
    attempt: progress.attempt,
    ...(run.trace === undefined ? {} : { traceId: run.trace.traceId }),
  }
  if (isFinal) log.info(fields, 'a step failed for good')
  else log.debug(fields, 'an attempt of a step failed; another one follows')
}

function taken(run: Run, command: StepCommand, progress: Progress, attempt: Attempt): Taken {
  const ms = Math.round(run.host.clock.monotonicMs() - attempt.begunMs)
  if (progress.attempt > 1)
    return { ms, totalMs: Math.max(ms, Math.round(run.databaseMs() - command.issuedAtMs)) }
  return ms < 1 ? {} : { ms }
}

function takenDetail(took: Taken): { readonly detail?: string } {
  return took.ms === undefined ? {} : { detail: JSON.stringify(took) }
}

function record(run: Run, seq: number, event: NewEvent): void {
  run.attempts.delete(seq)
  run.append(event)
  run.pump()
}

/** What is left of the total time-out: counted from when the code asked for the step, wherever it has been since. */
function remainingMs(run: Run, command: StepCommand): number | undefined {
  const { totalTimeout } = command.options
  if (totalTimeout === undefined) return undefined
  const elapsedMs = Math.max(0, run.databaseMs() - command.issuedAtMs)
  return durationMs(totalTimeout, 'total time-out') - elapsedMs
}

function readDetail(text: string | undefined): RetryDetail {
  const { heartbeat }: Record<string, unknown> = Object(JSON.parse(text ?? '{}'))
  return typeof heartbeat === 'string' ? { heartbeat } : {}
}
