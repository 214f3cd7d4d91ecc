// A request to start as the store wants it: everything checked, so that a start that is written can also run.

import { createHash } from 'node:crypto'
import { checkAttributes } from '../core/attributes.js'
import { encode } from '../core/codec.js'
import { checkInstant, durationMs, type Duration } from '../core/duration.js'
import type { StartedDetail } from '../core/event.js'
import { checkId, checkName, newId } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import { checkPriority } from '../core/priority.js'
import { checkTraceparent } from '../core/trace-ids.js'
import { randomHex, type Clock } from '../core/ports.js'
import type { Meters } from '../metrics/meters.js'
import { activeTraceparent } from '../metrics/tracing.js'
import type { StartRow, Store } from '../store/store.js'
import type { Workflow } from '../workflow/define.js'
import { validate } from '../workflow/validate.js'
import type { StartRequest } from './client.js'
import type { Host } from './host.js'
import { unknownWorkflow } from './refusals.js'

export interface StartContext {
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly meters?: Meters
  readonly host?: Host
  /** The version of a workflow that this process does not have, as the nodes registered it. */
  readonly registeredVersion: (workflow: string) => Promise<string | undefined>
}

/** At once where nothing has to be waited for, which is the rule. @throws CerebelumError, see `Client.start` */
export function toStartRow(request: StartRequest, context: StartContext): StartRow | Promise<StartRow> {
  const workflow = findWorkflow(request.workflow, context)
  const { name, definition, version } = workflow
  const isReady = version !== undefined && definition?.options.input === undefined
  return isReady
    ? makeRow(
        request,
        { ...workflow, version, ids: idsOf(request, name, context.limits), input: request.input },
        context,
      )
    : resolveRow(request, workflow, context)
}

async function resolveRow(
  request: StartRequest,
  { name, definition, version: known }: Found,
  context: StartContext,
): Promise<StartRow> {
  const version = known ?? (await context.registeredVersion(name))
  if (version === undefined) throw unknownWorkflow(name)
  const ids = idsOf(request, name, context.limits)
  const schema = definition?.options.input
  const what = `input of workflow "${name}"`
  const input = await validate(schema, request.input, what, 'INVALID_INPUT', { workflow: name })
  return makeRow(request, { name, definition, version, ids, input }, context)
}

function makeRow(
  request: StartRequest,
  { name, definition, version, ids, input }: Resolved,
  { limits, store, clock }: StartContext,
): StartRow {
  const { executionId, startId } = ids
  const traceparent =
    request.traceparent === undefined ? activeTraceparent() : checkTraceparent(request.traceparent)
  const payload = encode(input, `input of execution "${executionId}"`, limits.payloadBytesMax)
  const startAt = startAtOf(request.startAfter, clock)
  const attributes =
    request.attributes === undefined
      ? undefined
      : checkAttributes(request.attributes, `execution "${executionId}"`, limits)
  const asked =
    request.priority === undefined ? undefined : checkPriority(request.priority, `execution "${executionId}"`)
  const priority = asked ?? definition?.options.priority
  const detail: StartedDetail = {
    workflow: name,
    workflowVersion: version,
    run: 1,
    ...(definition === undefined ? { unchecked: true } : {}),
    ...(startAt === undefined ? {} : { startAt: startAt.toISOString() }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(asked === undefined ? {} : { priority: asked }),
    ...(request.key === undefined
      ? {}
      : { key: checkId(request.key, 'key of the limits', limits.idCharactersMax) }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
  return {
    key: store.keyOf(executionId),
    workflow: name,
    workflowVersion: version,
    startId,
    claimedBy: null,
    ...(startAt === undefined ? {} : { startAt }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(priority === undefined ? {} : { priority }),
    event: {
      type: 'started',
      name,
      detail: JSON.stringify(detail),
      ...(payload === undefined ? {} : { payload }),
    },
  }
}

/** The same start as the run number `run` of its id. */
export function asRun(row: StartRow, run: number): StartRow {
  const detail: unknown = JSON.parse(row.event.detail ?? '{}')
  return { ...row, event: { ...row.event, detail: JSON.stringify({ ...Object(detail), run }) } }
}

interface Found {
  readonly name: string
  readonly definition: Workflow | undefined
  readonly version: string | undefined
}

interface Resolved extends Found {
  readonly version: string
  readonly ids: Ids
  readonly input: unknown
}

function findWorkflow(workflow: unknown, { limits, host }: StartContext): Found {
  const given = isWorkflow(workflow) ? workflow : undefined
  const name = checkName(given?.name ?? workflow, 'workflow name', limits.nameCharactersMax)
  const definition = given ?? host?.definition(name)
  return { name, definition, version: definition?.version }
}

function isWorkflow(value: unknown): value is Workflow {
  return (
    typeof value === 'object' && value !== null && 'name' in value && 'options' in value && 'run' in value
  )
}

interface Ids {
  readonly executionId: string
  readonly startId: string | null
}

/** A start id without an id stands for one: every retry must find the same execution, on every node. */
function idsOf({ id, startId }: StartRequest, workflow: string, { idCharactersMax }: Limits): Ids {
  if (startId !== undefined) checkId(startId, 'start id', idCharactersMax)
  if (id !== undefined) {
    return { executionId: checkId(id, 'execution id', idCharactersMax), startId: startId ?? randomHex(8) }
  }
  if (startId === undefined) return { executionId: newId(), startId: null }
  const digest = createHash('sha256').update(`${workflow}\n${startId}`).digest('hex')
  return { executionId: digest.slice(0, 32), startId }
}

/** A span is counted from now by this machine's clock: it only says when to begin, not who may. */
function startAtOf(startAfter: Duration | Date | undefined, clock: Clock): Date | undefined {
  if (startAfter === undefined) return undefined
  if (startAfter instanceof Date) return checkInstant(startAfter, 'time to start')
  return new Date(clock.wallMs() + durationMs(startAfter, 'time to start'))
}
