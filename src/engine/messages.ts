// What reaches a run from outside: signals to their waits, updates and queries to their handlers, requests to cancel,
// pause or terminate, and the results of children. Each is consumed by the append that records it.

import { decode, encodeAnswer } from '../core/codec.js'
import { CerebelumError } from '../core/errors.js'
import type { NewEvent } from '../core/event.js'
import type { Message } from '../core/message.js'
import type { SignalCommand } from '../workflow/command.js'
import type { Instance } from '../workflow/instance.js'
import { validate } from '../workflow/validate.js'
import { childEnded } from './children.js'
import { terminateNow } from './closing.js'
import type { Run } from './run.js'

export interface SignalWait {
  readonly command: SignalCommand
  /** Its time-out has been recorded, or is about to be. */
  isTimed: boolean
  /** A signal is being checked for it: it gets no other, and no time-out, before that is known. */
  isChecking: boolean
}

/** A wait for a signal begins: its time-out is recorded once, unless a signal is there already. */
export function awaitSignal(run: Run, command: SignalCommand): void {
  const dueAt = command.intent?.dueAt
  const wait = { command, isTimed: dueAt !== undefined, isChecking: false }
  run.signalWaits.set(command.seq, wait)
  if (dueAt !== undefined) return run.setTimer('signal', command, dueAt)
  matchSignals(run)
  recordTimeout(run, wait)
}

function recordTimeout(run: Run, wait: SignalWait): void {
  const { seq, name, timeoutMs } = wait.command
  if (timeoutMs === undefined || wait.isTimed || wait.isChecking) return
  wait.isTimed = true
  run.append({ type: 'signal_awaited', seq, name, delayMs: timeoutMs })
}

/** Requests that hold up everything else: before anything is begun or handed out. */
export function matchRequests(run: Run): void {
  if (run.mailbox.isEmpty || matchTermination(run)) return
  // Continuing as new: the request is for the next run.
  const isContinuing = run.instance.outcome?.kind === 'continued'
  for (const message of isContinuing ? [] : run.mailbox.takeAll('cancel')) {
    run.consume(message.messageId)
    const { isCanceled, isUnwinding, outcome } = run.instance
    if (isCanceled || run.isCanceling || isUnwinding || outcome !== undefined) continue
    run.isCanceling = true
    run.append({ type: 'cancel_requested', messageId: message.messageId, ...payloadOf(message) })
    for (const { childId, policy } of run.children.values()) {
      if (policy !== 'abandon') run.cancelChild(childId)
    }
  }
  for (const message of run.mailbox.takeAll('pause')) {
    run.pauses.push(message.messageId)
  }
}

/** Hands out every message that somebody waits for; the rest stays. */
export function matchMessages(run: Run): void {
  if (run.mailbox.isEmpty) return
  for (const message of run.mailbox.takeAll('child')) childEnded(run, message)
  for (const message of run.mailbox.takeAll('query')) answerQuery(run, message)
  matchUpdates(run)
  // Those who wait are about to hear of the cancellation instead.
  if (!run.isCanceling) matchSignals(run)
}

/** One signal of a name at a time: should the first in line refuse it, the next signal is for the first again. */
function matchSignals(run: Run): void {
  if (!run.mailbox.has('signal')) return
  const served = new Set<string>()
  for (const wait of run.signalWaits.values()) {
    const { name } = wait.command
    if (served.has(name)) continue
    served.add(name)
    if (wait.isChecking) continue
    const message = run.mailbox.take('signal', (candidate) => candidate.name === name)
    if (message !== undefined) receiveSignal(run, wait, message)
  }
}

/** Ends the run if its parent has asked for it. */
export function matchTermination(run: Run): boolean {
  const message = run.mailbox.take('terminate')
  if (message === undefined) return false
  run.consume(message.messageId)
  terminateNow(run, message.payload)
  return true
}

function receiveSignal(run: Run, wait: SignalWait, message: Message): void {
  const { seq, name, schema } = wait.command
  const { messageId } = message
  wait.isChecking = true
  run.busy++
  void validate(schema, decodeOrUndefined(message.payload), `payload of signal "${name}"`, 'INVALID_INPUT')
    .then((value): NewEvent => {
      const payload = run.encode(value, `signal "${name}"`)
      return {
        type: 'signal_received',
        seq,
        name,
        messageId,
        ...(payload === undefined ? {} : { payload }),
      }
    })
    .catch((error: unknown): NewEvent => {
      return { type: 'signal_rejected', seq, name, messageId, payload: run.encodeFailure(error) }
    })
    .then((event) => {
      run.busy--
      wait.isChecking = false
      // Canceled meanwhile: the signal is for whoever waits for it next.
      if (!run.instance.pending.has(seq) || run.isCanceling) run.mailbox.putBack(message)
      else settleSignal(run, wait, event)
      run.pump()
    })
}

function settleSignal(run: Run, wait: SignalWait, event: NewEvent & { readonly messageId?: string }): void {
  const { seq } = wait.command
  // Together, or a crash in between would hand the same signal out twice.
  run.append(event)
  run.consume(event.messageId ?? '')
  if (event.type === 'signal_rejected') {
    recordTimeout(run, wait)
    return run.lookAtTimers()
  }
  run.signalWaits.delete(seq)
  run.timers.delete(seq)
}

function matchUpdates(run: Run): void {
  if (run.instance.updates.size === 0) return
  const { updates } = run.instance
  for (const message of run.mailbox.takeAll('update', ({ name }) => updates.has(name))) {
    const handler = run.instance.updates.get(message.name)
    if (handler === undefined) continue
    run.busy++
    void validate(
      handler.schema,
      decodeOrUndefined(message.payload),
      `payload of update "${message.name}"`,
      'INVALID_INPUT',
    )
      .then((value) => {
        handler.validate?.(value)
        const payload = run.encode(value, `update "${message.name}"`)
        run.consume(message.messageId)
        run.append({
          type: 'update_accepted',
          name: message.name,
          messageId: message.messageId,
          ...(payload === undefined ? {} : { payload }),
        })
      })
      .catch((error: unknown) =>
        run.consume(message.messageId, { ok: false, payload: run.encodeFailure(error) }),
      )
      .finally(() => {
        run.busy--
        run.pump()
      })
  }
}

function answerQuery(run: Run, message: Message): void {
  try {
    const value = askInstance(run.instance, message.name, decode(message.payload))
    run.consume(message.messageId, { ok: true, payload: run.encodeAnswer(value) })
  } catch (error) {
    run.consume(message.messageId, { ok: false, payload: run.encodeFailure(error) })
  }
}

/** @throws CerebelumError QUERY_FAILED */
export function askInstance(instance: Instance, name: string, args: unknown): unknown {
  const { executionId } = instance.options
  const handler = instance.queries.get(name)
  if (handler === undefined) {
    const known = [...instance.queries.keys()].join(', ') || 'none'
    throw new CerebelumError(
      'QUERY_FAILED',
      `Execution "${executionId}" has no query "${name}" (it has: ${known}). Check the name.`,
      { executionId },
    )
  }
  try {
    // A copy, as every answer from afar is one: what the asker does with it must not reach the workflow.
    const what = `answer of execution "${executionId}"`
    return decode(encodeAnswer(handler(args), what, instance.limits.payloadBytesMax))
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    const limit = cause instanceof CerebelumError ? cause.details.limit : undefined
    throw new CerebelumError(
      'QUERY_FAILED',
      `Query "${name}" of execution "${executionId}" failed: ${text}`,
      {
        executionId,
        cause,
        ...(limit === undefined ? {} : { limit }),
      },
    )
  }
}

function payloadOf(message: Message): { payload?: string } {
  return message.payload === undefined ? {} : { payload: message.payload }
}

function decodeOrUndefined(payload: string | undefined): unknown {
  try {
    return decode(payload)
  } catch {
    return undefined
  }
}
