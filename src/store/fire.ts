// What changes a schedule: one transaction that locks its row, lets a pure function decide, and writes the starts, what
// is done to the execution before them, and the row. All of it or nothing: a node that dies at any place has either fired
// or not, and whoever comes next sees which.

import { CerebelumError } from '../core/errors.js'
import { isClosed, type ExecutionKey } from '../core/execution.js'
import type { NewMessage } from '../core/message.js'
import { formatSpec } from '../core/schedule-spec.js'
import { readExecutions } from './executions.js'
import { type RetryPolicy, withRetry } from './retry.js'
import { decodeSchedule, type Home } from './rows.js'
import {
  deleteSchedule,
  insertSchedule,
  isMadeAt,
  isThere,
  type LockedSchedule,
  lockDueSchedules,
  lockSchedule,
  postponeSchedules,
  readClock,
  readSchedule,
  updateDefinition,
  updateProgress,
} from './schedules.js'
import { insertMessages } from './signals.js'
import { inTransaction, type SingleContext, terminateIn } from './single.js'
import { startWithin } from './starts.js'
import type { NewSchedule, ScheduleChange, ScheduleRow, SeenSchedule } from './store.js'
import type { Database } from './tables.js'

export interface FireContext extends SingleContext {
  readonly keyOf: (executionId: string) => ExecutionKey
}

type Decide = (seen: SeenSchedule) => ScheduleChange

/** How long a schedule is left alone that this release cannot read. */
const POSTPONED_MS = 60_000
/** What a schedule asks its execution is never refused. */
const INBOX_MAX = 2 ** 31 - 1

export function createSchedule(
  { database, policy }: { readonly database: Database; readonly policy: RetryPolicy },
  scheduleId: string,
  decide: (at: Date) => NewSchedule,
): Promise<{ readonly kind: 'created' | 'exists'; readonly row: ScheduleRow }> {
  let isNew = false
  /** Of the first try, to the microsecond: what bears it is ours, whatever became of the answer. */
  let madeAt: string | undefined
  return withRetry(policy, 'insertSchedule', async ({ doubtful }) => {
    const clock = await readClock(database)
    madeAt ??= clock.text
    // Kept over the attempts: what one of them made, a later one would find there.
    isNew = (await insertSchedule(database, decide(clock.at), madeAt)) || isNew
    const row = await readSchedule(database, scheduleId)
    if (row !== null) {
      const isOurs = isNew || (doubtful && (await isMadeAt(database, scheduleId, madeAt)))
      return { kind: isOurs ? 'created' : 'exists', row }
    }
    const text = `Schedule "${scheduleId}" was deleted while it was being made. Try again.`
    throw new CerebelumError('CONFLICT', text, { scheduleId })
  })
}

export function removeSchedule({ database, policy }: FireContext, scheduleId: string): Promise<boolean> {
  let wasThere = false
  return withRetry(policy, 'removeSchedule', async () => {
    wasThere ||= await isThere(database, scheduleId)
    if (wasThere) await deleteSchedule(database, scheduleId)
    return wasThere
  })
}

export function changeSchedule(
  context: FireContext,
  scheduleId: string,
  decide: Decide,
): Promise<ScheduleChange | null> {
  let last: ScheduleChange | undefined
  return withRetry(context.policy, 'changeSchedule', ({ doubtful }) =>
    inTransaction(context, async (database) => {
      const locked = await lockSchedule(database, scheduleId)
      if (locked === null) return null
      if (doubtful && last !== undefined && (await isCarriedOut(database, last, locked))) return last
      const change = await decideOne(context, database, locked, decide)
      last = change
      await carryOut(context, database, [change])
      if (change.row.revision !== Number(locked.raw.revision)) await updateDefinition(database, change.row)
      return change
    }),
  )
}

/** Whether an earlier try took effect after all: by what it started, or by the definition that it wrote. */
async function isCarriedOut(
  database: Database,
  { row, starts }: ScheduleChange,
  locked: LockedSchedule | undefined,
): Promise<boolean> {
  const [first] = starts
  if (first === undefined) {
    return (
      locked !== undefined &&
      Number(locked.raw.revision) === row.revision &&
      locked.raw.spec === formatSpec(row.spec) &&
      locked.raw.input === row.input &&
      locked.raw.paused === row.paused &&
      locked.raw.note === row.note
    )
  }
  const [found] = await readExecutions(database, [first.key])
  return found?.startId === first.startId
}

async function decideOne(
  context: FireContext,
  database: Database,
  { raw, at }: LockedSchedule,
  decide: Decide,
): Promise<ScheduleChange> {
  const row = decodeSchedule(raw)
  const [isOpen = false] = await readOpen(context, database, [row.lastExecutionId])
  return decide({ row, at, isOpen })
}

interface Fired {
  readonly changes: readonly ScheduleChange[]
  readonly failed: readonly { readonly scheduleId: string; readonly error: unknown }[]
}

export function fireSchedules(context: FireContext, limit: number, decide: Decide): Promise<Fired> {
  let last: Fired | undefined
  return withRetry(context.policy, 'fireSchedules', ({ doubtful }) =>
    inTransaction(context, async (database): Promise<Fired> => {
      const fired = last?.changes.find(({ starts }) => starts.length > 0)
      if (doubtful && last !== undefined && fired !== undefined) {
        if (await isCarriedOut(database, fired, undefined)) return last
      }
      const locked = await lockDueSchedules(database, limit)
      const open = await readOpen(
        context,
        database,
        locked.map(({ raw }) => raw.last_execution_id),
      )
      const changes: ScheduleChange[] = []
      const failed: { scheduleId: string; error: unknown }[] = []
      for (const [n, { raw, at }] of locked.entries()) {
        try {
          changes.push(decide({ row: decodeSchedule(raw), at, isOpen: open[n] ?? false }))
        } catch (error) {
          failed.push({ scheduleId: raw.schedule_id, error })
        }
      }
      last = { changes, failed }
      await carryOut(context, database, changes)
      await postponeSchedules(
        database,
        failed.map(({ scheduleId }) => scheduleId),
        POSTPONED_MS,
      )
      return last
    }),
  )
}

/** Whether the executions are there and open. */
async function readOpen(
  { keyOf }: FireContext,
  database: Database,
  executionIds: readonly (string | null)[],
): Promise<boolean[]> {
  const wanted = [...new Set(executionIds.flatMap((id) => id ?? []))]
  const rows = await readExecutions(database, wanted.map(keyOf))
  const open = new Set(
    rows.flatMap((row) => (row === null || isClosed(row.status) ? [] : row.key.executionId)),
  )
  return executionIds.map((id) => id !== null && open.has(id))
}

async function carryOut(
  { home, keyOf }: { readonly home: Home; readonly keyOf: FireContext['keyOf'] },
  database: Database,
  changes: readonly ScheduleChange[],
): Promise<void> {
  for (const { row, other } of changes) {
    if (other === undefined) continue
    const key = keyOf(other.executionId)
    const payload = JSON.stringify(`schedule "${row.scheduleId}" fired again`)
    if (other.kind === 'terminate') await terminateIn(database, home, key, { type: 'terminated', payload })
    else await insertMessages(database, [cancelOf(row, key, payload)], INBOX_MAX)
  }
  const starts = changes.flatMap((change) => change.starts)
  if (starts.length > 0) await startWithin(database, starts)
  await updateProgress(
    database,
    changes.map(({ row }) => row),
  )
}

/** Named after the firing that asks: asked again, it is the same message. */
function cancelOf({ lastAt }: ScheduleRow, key: ExecutionKey, payload: string): NewMessage {
  const messageId = `schedule:${lastAt?.toISOString() ?? 'now'}`
  return { key, messageId, kind: 'cancel', name: 'cancel', payload }
}
