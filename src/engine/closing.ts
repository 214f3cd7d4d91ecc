// How a run ends: its closing event, what its parent and children are told, all in one append.

import { decode } from '../core/codec.js'
import { CerebelumError } from '../core/errors.js'
import type { NewEvent, StartedDetail } from '../core/event.js'
import type { ClosedStatus } from '../core/execution.js'
import { CanceledError } from '../core/failure.js'
import { type Message, type NewMessage, unanswered } from '../core/message.js'
import type { RunOutcome } from '../workflow/command.js'
import { isGated } from '../workflow/gates.js'
import { validate } from '../workflow/validate.js'
import { toChildren } from './children.js'
import type { Run } from './run.js'

/** Records how the code ended; a result that cannot be stored fails the run instead. */
export function beginClose(run: Run, outcome: RunOutcome): void {
  run.isClosing = true
  if (outcome.kind === 'failed' || outcome.kind === 'canceled')
    return closeWith(run, outcome.kind, run.encodeFailure(outcome.error))
  if (outcome.kind === 'continued') return void checked(run, () => continueWith(run, outcome.input))
  const schema = run.definition.options.output
  if (schema === undefined) return tryClose(run, outcome.value)
  void checked(run, async () => {
    tryClose(
      run,
      await validate(schema, outcome.value, `result of execution "${run.executionId}"`, 'INVALID_OUTPUT'),
    )
  })
}

async function checked(run: Run, work: () => Promise<void>): Promise<void> {
  run.busy++
  try {
    await work()
  } catch (error) {
    closeWith(run, 'failed', run.encodeFailure(error))
  }
  run.busy--
  run.pump()
}

function tryClose(run: Run, value: unknown): void {
  let payload: string | undefined
  try {
    payload = run.encode(value, 'result')
  } catch (error) {
    return closeWith(run, 'failed', run.encodeFailure(error))
  }
  closeWith(run, 'completed', payload)
}

async function continueWith(run: Run, value: unknown): Promise<void> {
  const { definition } = run
  const input = await validate(
    definition.options.input,
    value,
    `next input of execution "${run.executionId}"`,
    'INVALID_INPUT',
  )
  const payload = run.encode(input, 'next input')
  const detail: StartedDetail = {
    workflow: definition.name,
    workflowVersion: definition.version,
    run: run.run + 1,
    attributes: run.instance.attributes,
    ...(run.traceparent === undefined ? {} : { traceparent: run.traceparent }),
    ...(isGated(definition.options) ? { admitted: true } : {}),
  }
  const started: NewEvent = {
    type: 'started',
    name: definition.name,
    detail: JSON.stringify(detail),
    ...(payload === undefined ? {} : { payload }),
  }
  refuseOpenUpdates(run)
  // Nobody of the next run can hear from the children of this one: it is their parent's end.
  const transition = { kind: 'continue', workflowVersion: definition.version } as const
  run.finish([{ type: 'continued' }, started], transition, toChildren(run))
}

export function failTooLong(run: Run, limit: 'historyEventsMax' | 'historyBytesMax'): void {
  const unit = limit === 'historyEventsMax' ? 'events' : 'bytes of payloads'
  const error = new CerebelumError(
    'HISTORY_TOO_LONG',
    `The history of execution "${run.executionId}" went over the limit ${limit} of ${run.host.limits[limit]} ${unit}. ` +
      'Use ctx.continueAsNew in loops that go on for long.',
    { executionId: run.executionId, limit },
  )
  run.isClosing = true
  run.abandonAll(error)
  closeWith(run, 'failed', run.encodeFailure(error))
}

/** Canceled, or terminated with its parent, before it was to begin: it ends without its code having run. */
export function endUnbegun(run: Run, version: number, { kind, messageId, payload }: Message): void {
  run.version = version
  run.consume(messageId)
  if (kind === 'terminate') {
    terminateNow(run, payload)
    return run.pump()
  }
  const reason = decode(payload)
  const error = new CanceledError(typeof reason === 'string' ? reason : 'no reason given')
  run.isClosing = true
  run.append({ type: 'cancel_requested', messageId, ...(payload === undefined ? {} : { payload }) })
  closeWith(run, 'canceled', run.encodeFailure(error))
  run.pump()
}

/** It cannot begin. */
export function failUnbegun(run: Run, version: number, error: unknown): void {
  run.version = version
  run.isClosing = true
  closeWith(run, 'failed', run.encodeFailure(error))
  run.pump()
}

/** At the request of a closing parent: whatever the code would say. */
export function terminateNow(run: Run, reason: string | undefined): void {
  run.isClosing = true
  run.abandonAll('terminated')
  closeWith(run, 'terminated', reason)
}

/** The handlers of these updates end with the run: whoever waits for their answers is told. */
function refuseOpenUpdates(run: Run): void {
  for (const messageId of run.instance.openUpdates.keys()) run.consume(messageId, unanswered(run.executionId))
}

function closeWith(run: Run, status: ClosedStatus, payload: string | undefined): void {
  refuseOpenUpdates(run)
  const event: NewEvent = { type: status, ...(payload === undefined ? {} : { payload }) }
  run.finish(
    [event],
    { kind: 'close', status },
    [...toParent(run, status, payload), ...toChildren(run)],
    payload,
  )
}

function toParent(run: Run, status: ClosedStatus, payload: string | undefined): NewMessage[] {
  const { parent } = run
  if (parent === null) return []
  return [
    {
      key: parent.key,
      messageId: `child:${run.executionId}:${run.run}`,
      kind: 'child',
      name: run.executionId,
      detail: JSON.stringify({ seq: parent.seq, run: parent.run, status }),
      ...(payload === undefined ? {} : { payload }),
    },
  ]
}
