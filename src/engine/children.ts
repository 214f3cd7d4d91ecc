// Children of a run: the intent is recorded first, then the child is started under its derived id (so that starting it
// again after a crash finds the same one); its close writes a message into the parent's inbox in the same statement.

import { decode } from '../core/codec.js'
import { CerebelumError, errorCode, type ErrorCode } from '../core/errors.js'
import type { Event, StartedDetail } from '../core/event.js'
import { isClosed, type ParentClosePolicy } from '../core/execution.js'
import type { Message, NewMessage } from '../core/message.js'
import type { ChildCommand } from '../workflow/command.js'
import { validate } from '../workflow/validate.js'
import type { Run } from './run.js'

export function beginChild(run: Run, command: ChildCommand): void {
  if (command.intent !== undefined) return childRecorded(run, command)
  const { seq, name, childId } = command
  run.busy++
  void checkChild(run, command)
    .then(() => {
      const detail = JSON.stringify({
        childId,
        workflow: command.workflow,
        detach: command.detach,
        closePolicy: command.closePolicy,
      })
      run.append({ type: 'child_started', seq, name, detail })
    })
    .catch((error: unknown) => {
      if (isTrouble(error)) return run.drop('unavailable', error)
      run.append({ type: 'child_failed', seq, name, payload: run.encodeFailure(error) })
    })
    .finally(() => {
      run.busy--
      run.pump()
    })
}

/** What can be known before a child is begun. A workflow that no node ever had would leave it waiting for ever. */
async function checkChild(run: Run, command: ChildCommand): Promise<void> {
  const { childId, workflow } = command
  await validate(schemaOf(run, command), command.input, `input of child "${childId}"`, 'INVALID_INPUT')
  run.encode(command.input, `input of child "${childId}"`)
  if (await run.host.isRegistered(workflow)) return
  throw new CerebelumError(
    'UNKNOWN_WORKFLOW',
    `No node ever registered a workflow "${workflow}", which child "${childId}" should run. Start a node that has it, or check the name.`,
    { workflow, executionId: run.executionId },
  )
}

/** The intent is durable: start the child (again). */
export function childRecorded(run: Run, command: ChildCommand): void {
  const { seq, name, childId, closePolicy } = command
  run.children.set(seq, { childId, policy: closePolicy })
  run.busy++
  void startChild(run, command)
    .then(() => {
      // Nobody awaits its end: that it exists is the outcome.
      if (command.detach && run.instance.pending.has(seq))
        run.append({ type: 'child_completed', seq, name, payload: JSON.stringify({ executionId: childId }) })
      // A request to cancel came while it was being started, too early to reach it.
      if (run.instance.isCanceled && !run.instance.pending.has(seq) && closePolicy !== 'abandon')
        run.cancelChild(childId)
    })
    .catch((error: unknown) => {
      // The database's trouble passes; an id that is taken or an input that no longer fits is the child's failure.
      if (isTrouble(error)) return run.drop('unavailable', error)
      run.children.delete(seq)
      if (run.instance.pending.has(seq))
        run.append({ type: 'child_failed', seq, name, payload: run.encodeFailure(error) })
    })
    .finally(() => {
      run.busy--
      // Its run ended while it was being started.
      if (run.state !== 'live') void tellOrphans(run)
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
  const priority = command.priority ?? run.host.registry.get(workflow)?.options.priority
  const traceparent = run.trace?.traceparentOf(seq) ?? run.traceparent
  const detail: StartedDetail = {
    workflow,
    workflowVersion,
    run: 1,
    parentId: run.executionId,
    ...(isKnown(run, command) ? {} : { unchecked: true }),
    ...(command.attributes === undefined ? {} : { attributes: command.attributes }),
    ...(command.priority === undefined ? {} : { priority: command.priority }),
    ...(command.key === undefined ? {} : { key: command.key }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
  const outcome = await run.host.startChild({
    key: run.host.store.keyOf(childId),
    workflow,
    workflowVersion,
    startId: `${run.executionId}:${run.run}:${seq}`,
    claimedBy: null,
    parent: { key: run.key, seq, run: run.run },
    ...(priority === undefined ? {} : { priority }),
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
  const open = new Map<number, ReturnType<typeof readChildDetail>>()
  for (const { type, seq = -1, detail } of history) {
    if (type === 'child_started') open.set(seq, readChildDetail(detail))
    else if (type === 'child_failed') open.delete(seq)
    // Of a detached one it only says that it exists.
    else if (type === 'child_completed' && open.get(seq)?.detach !== true) open.delete(seq)
  }
  return open
}

function readChildDetail(text: string | undefined): {
  readonly childId: string
  readonly policy: ParentClosePolicy
  readonly detach: boolean
} {
  const { childId, closePolicy, detach }: Record<string, unknown> = Object(JSON.parse(text ?? '{}'))
  return {
    childId: String(childId),
    policy: closePolicy === 'cancel' || closePolicy === 'abandon' ? closePolicy : 'terminate',
    detach: detach === true,
  }
}

/** What the children of a run that ends are told, by their policies. */
export function toChildren(run: Run): NewMessage[] {
  const messages: NewMessage[] = []
  for (const { childId, policy } of run.children.values()) {
    if (policy === 'abandon') continue
    messages.push({
      key: run.host.store.keyOf(childId),
      messageId: `parent:${run.executionId}:${run.run}`,
      kind: policy,
      name: run.executionId,
      payload: JSON.stringify(`its parent "${run.executionId}" closed`),
    })
  }
  return messages
}

/** A run that was ended from elsewhere told the children that it had then; those begun since do not know. */
export async function tellOrphans(run: Run): Promise<void> {
  const { store, log } = run.host
  const messages = toChildren(run)
  if (messages.length === 0) return
  try {
    const [row] = await store.readExecutions([run.key])
    if (row !== null && row !== undefined && row.run === run.run && !isClosed(row.status)) return
    const children = await store.readExecutions(messages.map(({ key }) => key))
    const orphans = messages.filter((_, index) => children[index]?.parentId === run.executionId)
    if (orphans.length > 0) await store.sendMessages(orphans, INBOX_MAX)
  } catch (error) {
    log.warn({ err: error, executionId: run.executionId }, 'children of an ended execution were not told')
  }
}

/** What executions tell each other is never refused. */
const INBOX_MAX = 2 ** 31 - 1

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
  if (detail.status !== 'terminated') return run.append({ type: 'child_failed', seq, name, ...payload })
  run.append({ type: 'child_failed', seq, name, payload: run.encodeFailure(terminated(message)) })
}

function terminated(message: Message): CerebelumError {
  const reason = decode(message.payload)
  const text = `Child "${message.name}" was terminated: ${typeof reason === 'string' ? reason : 'no reason given'}.`
  return new CerebelumError('EXECUTION_TERMINATED', text, { executionId: message.name })
}

function schemaOf(run: Run, command: ChildCommand): ChildCommand['inputSchema'] {
  return command.inputSchema ?? run.host.registry.get(command.workflow)?.options.input
}

/** Whether this node has the child's workflow, and so could check its input. */
function isKnown(run: Run, { workflow, workflowVersion }: ChildCommand): boolean {
  return workflowVersion !== undefined || run.host.registry.get(workflow) !== undefined
}
