// Children of a run: the intent is recorded first, then the child is started under its derived id (so that starting it
// again after a crash finds the same one); its close writes a message into the parent's inbox in the same statement.

import { CerebelumError, errorCode, type ErrorCode } from '../core/errors.js'
import type { Event, StartedDetail } from '../core/event.js'
import type { ParentClosePolicy } from '../core/execution.js'
import type { Message } from '../core/message.js'
import type { ChildCommand } from '../workflow/command.js'
import { validate } from '../workflow/validate.js'
import type { Run } from './run.js'

export function beginChild(run: Run, command: ChildCommand): void {
  if (command.intent !== undefined) return childRecorded(run, command)
  const { seq, name, childId } = command
  run.busy++
  void validate(schemaOf(run, command), command.input, `input of child "${childId}"`, 'INVALID_INPUT')
    .then(() => {
      run.encode(command.input, `input of child "${childId}"`)
      const detail = JSON.stringify({
        childId,
        workflow: command.workflow,
        detach: command.detach,
        closePolicy: command.closePolicy,
      })
      run.append({ type: 'child_started', seq, name, detail })
    })
    .catch((error: unknown) =>
      run.append({ type: 'child_failed', seq, name, payload: run.encodeFailure(error) }),
    )
    .finally(() => {
      run.busy--
      run.pump()
    })
}

/** The intent is durable: start the child (again). */
export function childRecorded(run: Run, command: ChildCommand): void {
  const { seq, childId, closePolicy } = command
  run.children.set(seq, { childId, policy: closePolicy })
  run.busy++
  void startChild(run, command)
    .catch((error: unknown) => {
      // The database's trouble passes; an id that is taken or an input that no longer fits is the child's failure.
      if (isTrouble(error)) return run.drop('unavailable', error)
      run.children.delete(seq)
      run.append({ type: 'child_failed', seq, name: command.name, payload: run.encodeFailure(error) })
    })
    .finally(() => {
      run.busy--
      run.pump()
    })
}

async function startChild(run: Run, command: ChildCommand): Promise<void> {
  const { seq, childId, workflow } = command
  const input = await validate(
    schemaOf(run, command),
    command.input,
    `input of child "${childId}"`,
    'INVALID_INPUT',
  )
  const payload = run.encode(input, `input of child "${childId}"`)
  const workflowVersion = command.workflowVersion ?? run.host.registry.get(workflow)?.version ?? '1'
  const detail: StartedDetail = {
    workflow,
    workflowVersion,
    run: 1,
    parentId: run.executionId,
    ...(command.attributes === undefined ? {} : { attributes: command.attributes }),
  }
  const outcome = await run.host.startChild({
    key: run.host.store.keyOf(childId),
    workflow,
    workflowVersion,
    startId: `${run.executionId}:${run.run}:${seq}`,
    claimedBy: null,
    parent: { key: run.key, seq, run: run.run },
    ...(command.attributes === undefined ? {} : { attributes: command.attributes }),
    event: {
      type: 'started',
      name: workflow,
      detail: JSON.stringify(detail),
      ...(payload === undefined ? {} : { payload }),
    },
  })
  if (outcome.kind === 'exists') {
    throw new CerebelumError(
      'EXECUTION_EXISTS',
      `Child "${childId}" of execution "${run.executionId}" was not started: that id belongs to another execution. Give it an id of its own.`,
      { executionId: childId },
    )
  }
}

function isTrouble(error: unknown): boolean {
  const code = errorCode(error)
  return code === undefined || TROUBLE.has(code)
}

const TROUBLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DATABASE_UNAVAILABLE',
  'DATABASE_FAILED',
  'OUTCOME_UNKNOWN',
  'OVERLOADED',
  'INTERNAL',
])

/** The children that a history began and of which it has no end, by the seq of their command. */
export function openChildren(
  history: readonly Event[],
): Map<number, { readonly childId: string; readonly policy: ParentClosePolicy }> {
  const open = new Map<number, { readonly childId: string; readonly policy: ParentClosePolicy }>()
  for (const { type, seq = -1, detail } of history) {
    if (type === 'child_started') {
      const { childId, closePolicy } = readChildDetail(detail)
      open.set(seq, { childId, policy: closePolicy })
    } else if (type === 'child_completed' || type === 'child_failed') {
      open.delete(seq)
    }
  }
  return open
}

function readChildDetail(text: string | undefined): { childId: string; closePolicy: ParentClosePolicy } {
  const { childId, closePolicy }: Record<string, unknown> = Object(JSON.parse(text ?? '{}'))
  return {
    childId: String(childId),
    closePolicy: closePolicy === 'cancel' || closePolicy === 'abandon' ? closePolicy : 'terminate',
  }
}

/** A child told how it ended. */
export function childEnded(run: Run, message: Message): void {
  run.consume(message.messageId)
  const detail: unknown = JSON.parse(message.detail ?? '{}')
  if (
    typeof detail !== 'object' ||
    detail === null ||
    !('seq' in detail) ||
    !('run' in detail) ||
    !('status' in detail)
  )
    return
  const seq = Number(detail.seq)
  const child = run.children.get(seq)
  if (child === undefined || Number(detail.run) !== run.run) return
  run.children.delete(seq)
  const pending = run.instance.pending.get(seq)
  if (pending === undefined || pending.command.kind !== 'child' || pending.command.detach) return
  const { name } = pending.command
  const payload = message.payload === undefined ? {} : { payload: message.payload }
  if (detail.status === 'completed') return run.append({ type: 'child_completed', seq, name, ...payload })
  run.append({ type: 'child_failed', seq, name, ...payload })
}

function schemaOf(run: Run, command: ChildCommand): ChildCommand['inputSchema'] {
  return command.inputSchema ?? run.host.registry.get(command.workflow)?.options.input
}
