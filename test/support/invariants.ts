// Reads the whole database and says what in it cannot be, whatever was killed, stalled or lost before. It looks at
// the tables alone, in one snapshot, and shares no code with the engine but the hash that finds an execution.
//
// `quiet` says that all nodes are gone or idle: then nothing may be held by the dead, lie silent, or be lost on the way.

import type postgres from 'postgres'
import type { Event } from '../../src/core/event.js'
import { partitionOf } from '../../src/core/partition.js'
import { decodeEvent, type RawEvent } from '../../src/store/rows.js'
import { judgeHistory, RECORDS_MESSAGE, type Derived } from './history-rules.js'

export interface CheckOptions {
  readonly quiet?: boolean
  /** What their senders were told is durable. */
  readonly starts?: Iterable<string>
  readonly messages?: Iterable<{ readonly executionId: string; readonly messageId: string }>
}

/** One line for each thing that must not be: `<execution id>: <what>`. */
export async function findViolations(sql: postgres.Sql, options: CheckOptions = {}): Promise<string[]> {
  const database = await readAll(sql)
  const findings: string[] = []
  for (const executionId of database.ids) {
    for (const finding of judgeExecution(database, executionId, options.quiet ?? false))
      findings.push(`${executionId}: ${finding}`)
  }
  for (const executionId of options.starts ?? []) {
    if (!database.rows.has(executionId)) findings.push(`${executionId}: was acknowledged, but is not there`)
  }
  for (const { executionId, messageId } of options.messages ?? []) {
    const found = database.signals.get(executionId)?.some((signal) => signal.message_id === messageId)
    if (found !== true)
      findings.push(`${executionId}: message "${messageId}" was acknowledged, but is not there`)
  }
  return findings
}

interface Row {
  readonly partition: number
  readonly execution_id: string
  readonly workflow: string
  readonly workflow_version: string
  readonly status: string
  readonly run: number
  readonly run_version: number
  readonly version: number
  readonly claimed_by: string | null
  readonly ready_at: Date | null
  readonly inbox: number
  readonly parent_id: string | null
  readonly attributes: Readonly<Record<string, unknown>> | null
  readonly closed_at: Date | null
}

interface Signal {
  readonly execution_id: string
  readonly message_id: string
  readonly position: number
  readonly kind: string
  readonly is_consumed: boolean
}

interface Timer {
  readonly execution_id: string
  readonly version: number
}

interface Turn {
  readonly execution_id: string
  readonly run: number
  readonly gate_id: string
  readonly state: string
}

interface Everything {
  readonly ids: ReadonlySet<string>
  readonly partitionCount: number
  readonly leases: ReadonlySet<string>
  readonly rows: ReadonlyMap<string, Row>
  readonly events: ReadonlyMap<string, readonly (Event & { readonly partition: number })[]>
  readonly signals: ReadonlyMap<string, readonly Signal[]>
  readonly timers: ReadonlyMap<string, readonly Timer[]>
  readonly turns: ReadonlyMap<string, readonly Turn[]>
  /** How many of those inside are open, and how many may be, by gate. */
  readonly gates: ReadonlyMap<string, { readonly inside: number; readonly max: number }>
}

/** One snapshot of all tables. */
function readAll(sql: postgres.Sql): Promise<Everything> {
  return sql.begin('isolation level repeatable read read only', async (tx): Promise<Everything> => {
    const settings = await tx<{ value: string }[]>`select value from settings where name = 'partition_count'`
    const leases = await tx<{ node_id: string }[]>`select node_id from leases`
    const rows = await tx<Row[]>`
      select partition, execution_id, workflow, workflow_version, status, run, run_version, version, claimed_by,
        ready_at, inbox, parent_id, attributes, closed_at
      from executions`
    const events = await tx<(RawEvent & { partition: number; execution_id: string })[]>`
      select partition, execution_id, version, type, seq, name, attempt, detail, payload, message_id, due_at, at
      from events order by execution_id, version`
    const signals = await tx<Signal[]>`
      select execution_id, message_id, position, kind, consumed_at is not null as is_consumed
      from signals order by execution_id, position`
    const timers = await tx<Timer[]>`select execution_id, version from timers`
    const turns = await tx<Turn[]>`select execution_id, run, gate_id, state from turns order by stage`
    const gates = await tx<{ gate_id: string; max: number; inside: number }[]>`
      select g.gate_id, g.running_max as max, count(*)::int4 as inside
      from gates as g
      join turns as t on t.gate_id = g.gate_id and t.state = 'held'
      join executions as e on e.execution_id = t.execution_id and e.closed_at is null and e.started_at = t.started_at
      where g.running_max is not null
      group by g.gate_id, g.running_max`
    const histories = groupById(events, (raw) => ({ ...decodeEvent(raw), partition: raw.partition }))
    const inboxes = groupById(signals, (signal) => signal)
    return {
      ids: new Set([...rows.map((row) => row.execution_id), ...histories.keys(), ...inboxes.keys()]),
      partitionCount: Number(settings[0]?.value),
      leases: new Set(leases.map((lease) => lease.node_id)),
      rows: new Map(rows.map((row) => [row.execution_id, row])),
      events: histories,
      signals: inboxes,
      timers: groupById(timers, (timer) => timer),
      turns: groupById(turns, (turn) => turn),
      gates: new Map(gates.map((gate) => [gate.gate_id, gate])),
    }
  }) as Promise<Everything>
}

function groupById<R extends { readonly execution_id: string }, T>(
  rows: readonly R[],
  decode: (row: R) => T,
): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const group = groups.get(row.execution_id)
    if (group === undefined) groups.set(row.execution_id, [decode(row)])
    else group.push(decode(row))
  }
  return groups
}

function* judgeExecution(database: Everything, executionId: string, quiet: boolean): Generator<string> {
  const row = database.rows.get(executionId)
  const events = database.events.get(executionId) ?? []
  const signals = database.signals.get(executionId) ?? []
  if (row === undefined) {
    if (events.length > 0) yield 'has events, but no row'
    if (signals.length > 0) yield 'has messages, but no row'
    return
  }
  const { findings, derived } = judgeHistory(events)
  yield* findings
  const partition = partitionOf(executionId, database.partitionCount)
  if (row.partition !== partition || events.some((event) => event.partition !== partition))
    yield `lies in another partition than ${partition}`
  yield* judgeRow(row, derived)
  yield* judgeClaim(row, database, quiet)
  yield* judgeTurns(row, events, database)
  yield* judgeInbox(row, { events, signals, quiet })
  if (quiet && isWaiting(row)) yield* judgeWaits(row, derived, database)
}

/** The row is what can be recomputed from the history. */
function* judgeRow(row: Row, derived: Derived): Generator<string> {
  const isClosed = derived.status !== 'open' && derived.status !== 'paused'
  const differs = (what: string, stored: unknown, told: unknown): string =>
    `has ${what} ${JSON.stringify(stored)} in its row, ${JSON.stringify(told)} by its history`
  const isRowClosed = row.closed_at !== null
  if (isRowClosed !== isClosed) yield differs('closed', isRowClosed, isClosed)
  if (isClosed && row.status !== derived.status) yield differs('status', row.status, derived.status)
  if (!isClosed && CLOSED.has(row.status)) yield differs('status', row.status, derived.status)
  if (row.status === 'paused' && derived.status !== 'paused')
    yield differs('status', row.status, derived.status)
  // A parent that closes may force a paused one to run, to be terminated.
  if (derived.status === 'paused' && row.status !== 'paused' && row.status !== 'running')
    yield differs('status', row.status, derived.status)
  if (row.run !== derived.run) yield differs('run', row.run, derived.run)
  if (row.run_version !== derived.runVersion)
    yield differs('run_version', row.run_version, derived.runVersion)
  if (row.workflow !== derived.workflow) yield differs('workflow', row.workflow, derived.workflow)
  if (row.workflow_version !== derived.workflowVersion)
    yield differs('workflow_version', row.workflow_version, derived.workflowVersion)
  if (row.parent_id !== derived.parentId) yield differs('parent', row.parent_id, derived.parentId)
  if (canonical(row.attributes) !== canonical(derived.attributes))
    yield differs('attributes', row.attributes, derived.attributes)
  // Plain appends do not touch the row: while it runs, the row may be behind, but never ahead.
  const mayLag = row.status === 'running'
  if (mayLag ? row.version > derived.version : row.version !== derived.version)
    yield differs('version', row.version, derived.version)
}

const CLOSED: ReadonlySet<string> = new Set(['completed', 'failed', 'canceled', 'terminated'])

function canonical(attributes: Readonly<Record<string, unknown>> | null): string {
  return JSON.stringify(Object.entries(attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function* judgeClaim(row: Row, { leases }: Everything, quiet: boolean): Generator<string> {
  if (row.claimed_by !== null) {
    if (row.status !== 'running') yield `is ${row.status}, but held by node ${row.claimed_by}`
    if (quiet) yield `is still held by node ${row.claimed_by}`
    if (quiet && !leases.has(row.claimed_by)) yield `is held by node ${row.claimed_by}, which is dead`
  }
  if (row.closed_at !== null && row.ready_at !== null) yield 'is closed, but its doorbell rings'
  if (quiet && row.status === 'running' && row.claimed_by === null && row.ready_at === null)
    yield 'is running, but nobody holds it and its doorbell is silent'
}

/** Who waits stands in a line, who stands in one has not begun, and no gate has let in more than it may. */
function* judgeTurns(row: Row, events: readonly Event[], { turns, gates }: Everything): Generator<string> {
  const mine = turns.get(row.execution_id)?.filter(({ run }) => run === row.run) ?? []
  if (row.status === 'queued') {
    if (!mine.some(({ state }) => state === 'waiting')) yield 'is queued, but stands in no line'
    if (events.some(({ type, version }) => type === 'admitted' && version > row.run_version))
      yield 'is queued, but was admitted'
  }
  if (row.closed_at !== null) return
  for (const { gate_id: gateId, state } of mine) {
    const gate = gates.get(gateId)
    if (state === 'held' && gate !== undefined && gate.inside > gate.max)
      yield `is one of ${gate.inside} inside gate ${gateId}, which is for ${gate.max}`
  }
}

/** Each message is there once and was recorded if and only if it was consumed. */
function* judgeInbox(
  row: Row,
  { events, signals, quiet }: { events: readonly Event[]; signals: readonly Signal[]; quiet: boolean },
): Generator<string> {
  const recorded = new Set(
    events.filter((event) => RECORDS_MESSAGE.has(event.type)).map((event) => event.messageId ?? ''),
  )
  // A new run of an id that was started again gets nothing of what the last one left unread.
  const isRestarted = events.some(
    ({ type }, index) => type === 'started' && index > 0 && events[index - 1]?.type !== 'continued',
  )
  const positions = new Set<number>()
  for (const { message_id: id, position, kind, is_consumed: isConsumed } of signals) {
    if (positions.has(position)) yield `has two messages at position ${position}`
    positions.add(position)
    if (position > row.inbox) yield `has message "${id}" at ${position}, beyond its inbox (${row.inbox})`
    if (recorded.has(id) && !isConsumed) yield `recorded message "${id}", which is still unread`
    if (kind === 'signal' && isConsumed && !recorded.has(id) && !isRestarted)
      yield `consumed signal "${id}" without a record`
    if (quiet && !isConsumed && isWaiting(row) && WAKING.has(kind))
      yield `waits in silence beside the unread ${kind} "${id}"`
  }
  const known = new Set(signals.map((signal) => signal.message_id))
  for (const id of recorded) if (!known.has(id)) yield `recorded message "${id}", which is not in its inbox`
}

/** Kinds that every run takes whenever it is awake; signals and updates wait until the code asks. */
const WAKING: ReadonlySet<string> = new Set(['child', 'cancel', 'pause', 'terminate', 'query'])

function isWaiting(row: Row): boolean {
  return row.status === 'waiting' && row.claimed_by === null && row.ready_at === null
}

/** What it waits for will come: a timer has its row, a child its execution or its message. */
function* judgeWaits(row: Row, derived: Derived, database: Everything): Generator<string> {
  const timers = new Set(database.timers.get(row.execution_id)?.map((timer) => timer.version))
  if (derived.beginsAt !== undefined && !timers.has(derived.runVersion))
    yield 'waits for its start, but has no timer'
  for (const [seq, { family, intent }] of derived.pending) {
    if (intent === undefined) continue
    if (intent.dueAt !== undefined && !timers.has(intent.version))
      yield `waits for command ${seq} (${family}) to be due, but has no timer`
    if (family === 'child') yield* judgeChild(row, intent, database)
  }
}

function* judgeChild(row: Row, intent: Event, database: Everything): Generator<string> {
  const { childId }: { childId?: unknown } = Object(JSON.parse(intent.detail ?? '{}'))
  const child = database.rows.get(String(childId))
  if (child === undefined) {
    yield `waits for child "${String(childId)}", which is not there`
  } else if (child.closed_at !== null && child.parent_id === row.execution_id) {
    const signals = database.signals.get(row.execution_id) ?? []
    const isTold = signals.some(
      ({ kind, message_id: id }) => kind === 'child' && id.includes(`:${String(childId)}:`),
    )
    if (!isTold) yield `waits for child "${String(childId)}", which has closed without telling`
  }
}
