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

/** A wait for a signal begins: its time-out is recorded once, unless a signal is there already. */
export function awaitSignal(run: Run, command: SignalCommand): void {
  run.signalWaits.set(command.seq, command)
  if (command.intent?.dueAt !== undefined) return run.setTimer('signal', command, command.intent.dueAt)
  const message = run.mailbox.take(isSignalFor(command))
  if (message !== undefined) return receiveSignal(run, command, message)
  if (command.timeoutMs === undefined) return
  run.append({ type: 'signal_awaited', seq: command.seq, name: command.name, delayMs: command.timeoutMs })
}

/** Requests that hold up everything else: before anything is begun or handed out. */
export function matchRequests(run: Run): void {
  if (run.mailbox.size === 0 || matchTermination(run)) return
  // Continuing as new: the request is for the next run.
  const isContinuing = run.instance.outcome?.kind === 'continued'
  for (const message of run.mailbox.takeAll((candidate) => candidate.kind === 'cancel' && !isContinuing)) {
    run.consume(message.messageId)
    const { isCanceled, isUnwinding, outcome } = run.instance
    if (isCanceled || run.isCanceling || isUnwinding || outcome !== undefined) continue
    run.isCanceling = true
    run.append({ type: 'cancel_requested', messageId: message.messageId, ...payloadOf(message) })
    for (const { childId, policy } of run.children.values()) {
      if (policy !== 'abandon') run.cancelChild(childId)
    }
  }
  for (const message of run.mailbox.takeAll((candidate) => candidate.kind === 'pause')) {
    run.pauses.push(message.messageId)
  }
}

/** Hands out every message that somebody waits for; the rest stays. */
export function matchMessages(run: Run): void {
  if (run.mailbox.size === 0) return
  for (const message of run.mailbox.takeAll((candidate) => candidate.kind === 'child'))
    childEnded(run, message)
  for (const message of run.mailbox.takeAll((candidate) => candidate.kind === 'query'))
    answerQuery(run, message)
  matchUpdates(run)
  // Those who wait are about to hear of the cancellation instead.
  if (run.isCanceling) return
  for (const command of run.signalWaits.values()) {
    const message = run.mailbox.take(isSignalFor(command))
    if (message !== undefined) receiveSignal(run, command, message)
  }
}

/** Ends the run if its parent has asked for it. */
export function matchTermination(run: Run): boolean {
  const message = run.mailbox.take((candidate) => candidate.kind === 'terminate')
  if (message === undefined) return false
  run.consume(message.messageId)
  terminateNow(run, message.payload)
  return true
}

function isSignalFor(command: SignalCommand): (message: Message) => boolean {
  return (message) => message.kind === 'signal' && message.name === command.name
}

function receiveSignal(run: Run, command: SignalCommand, message: Message): void {
  const { seq, name } = command
  const { messageId } = message
  // Taken out of the waits while it is checked: one signal per wait, and no time-out beside it.
  const timer = run.timers.get(seq)
  run.signalWaits.delete(seq)
  run.timers.delete(seq)
  run.busy++
  void validate(
    command.schema,
    decodeOrUndefined(message.payload),
    `payload of signal "${name}"`,
    'INVALID_INPUT',
  )
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
      if (run.instance.pending.has(seq) && !run.isCanceling) {
        // Together, or a crash in between would hand the same signal out twice.
        run.append(event)
        run.consume(messageId)
        if (event.type === 'signal_rejected') awaitAgain(run, command, timer?.dueAt)
      } else {
        // Canceled meanwhile: the signal is for whoever waits for it next.
        run.mailbox.putBack(message)
      }
      run.pump()
    })
}

function awaitAgain(run: Run, command: SignalCommand, dueAtMs: number | undefined): void {
  run.signalWaits.set(command.seq, command)
  if (command.timeoutMs === undefined) return
  if (dueAtMs !== undefined) return run.setTimer('signal', command, new Date(dueAtMs))
  run.append({ type: 'signal_awaited', seq: command.seq, name: command.name, delayMs: command.timeoutMs })
}

function matchUpdates(run: Run): void {
  if (run.instance.updates.size === 0) return
  const wanted = (message: Message): boolean =>
    message.kind === 'update' && run.instance.updates.has(message.name)
  for (const message of run.mailbox.takeAll(wanted)) {
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
