// Schedules over a store: checks what it is given, and decides what becomes of a row by pure functions that the store
// calls under the row's lock.

import { createHash } from 'node:crypto'
import { decode } from '../core/codec.js'
import { checkInstant, durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { Attributes } from '../core/execution.js'
import { checkId, checkName, newId } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import { dueOf, FIRING_ID_CHARACTERS, firingId, OVERLAP_POLICIES } from '../core/schedule.js'
import { checkSpec, formatSpec, timesOf } from '../core/schedule-spec.js'
import { scheduledStart } from '../store/scheduled-start.js'
import type {
  NewSchedule,
  ScheduleChange,
  ScheduleRow,
  SeenSchedule,
  StartRow,
  Store,
} from '../store/store.js'
import { checkOneOf, checkWholeNumber } from './arguments.js'
import type { Handle, StartRequest } from './client.js'
import type { Host } from './host.js'
import type {
  ScheduleDetails,
  ScheduleFilter,
  ScheduleInfo,
  SchedulePage,
  ScheduleRequest,
  Schedules,
} from './schedules.js'

export interface SchedulerOptions {
  readonly store: Store
  readonly limits: Limits
  readonly host?: Host
  readonly prepare: (request: StartRequest) => Promise<StartRow>
  readonly handle: (started: { readonly executionId: string; readonly created: boolean }) => Handle
}

export const BACKFILL_MAX = 1_000
const LIST_LIMIT_MAX = 1_000
const LIST_LIMIT_DEFAULT = 100
const UPCOMING = 10
const CATCH_UP_MS_DEFAULT = 3_600_000
/** Less than a node needs to take over from a dead one would lose firings to every failure. */
const CATCH_UP_MS_MIN = 10_000
const NOTE_CHARACTERS_MAX = 1_000

/** What people decide about a schedule, checked. */
type Definition = Pick<
  ScheduleRow,
  | 'spec'
  | 'jitterMs'
  | 'workflow'
  | 'workflowVersion'
  | 'input'
  | 'unchecked'
  | 'attributes'
  | 'overlap'
  | 'catchUpMs'
  | 'note'
>

export class Scheduler implements Schedules {
  private readonly options: SchedulerOptions

  constructor(options: SchedulerOptions) {
    this.options = options
  }

  async create(scheduleId: string, request: ScheduleRequest): Promise<{ readonly created: boolean }> {
    this.checkId(scheduleId)
    const { spec, workflow, input, attributes, ...rest } = checkObject(request, 'schedule')
    const base = {
      spec: checkSpec(spec),
      ...(await this.prepare(scheduleId, { workflow, input, attributes })),
      overlap: 'skip' as const,
      catchUpMs: CATCH_UP_MS_DEFAULT,
      jitterMs: 0,
      note: null,
    }
    const definition: Definition = { ...base, ...checkRest(rest) }
    const { region } = this.options.store.keyOf(scheduleId)
    const isPaused = checkBoolean(rest.paused ?? false)
    const { kind, row } = await this.options.store.insertSchedule(scheduleId, (at) =>
      newSchedule({ scheduleId, region, paused: isPaused, ...definition }, at),
    )
    if (!isSame(row, definition)) {
      throw new CerebelumError(
        'SCHEDULE_EXISTS',
        `Schedule "${scheduleId}" exists already and is another one. Update or delete it, or choose another id.`,
        { scheduleId },
      )
    }
    this.changed()
    return { created: kind === 'created' }
  }

  async describe(scheduleId: string): Promise<ScheduleDetails> {
    const row = await this.row(scheduleId)
    return { ...infoOf(row), input: decode(row.input), upcoming: row.paused ? [] : upcomingOf(row) }
  }

  async list(filter: ScheduleFilter = {}): Promise<SchedulePage> {
    const { limits, store } = this.options
    const limit = checkWholeNumber(filter.limit ?? LIST_LIMIT_DEFAULT, {
      what: 'limit of the list',
      min: 1,
      max: LIST_LIMIT_MAX,
      limit: 'listLimitMax',
    })
    const rows = await store.listSchedules({
      ...(filter.workflow === undefined
        ? {}
        : { workflow: checkName(filter.workflow, 'workflow name', limits.nameCharactersMax) }),
      ...(filter.cursor === undefined ? {} : { after: this.decodeCursor(filter.cursor) }),
      // One more than asked tells whether there is a next page.
      limit: limit + 1,
    })
    const schedules = rows.slice(0, limit).map(infoOf)
    const last = schedules.at(-1)
    return rows.length > limit && last !== undefined
      ? { schedules, cursor: Buffer.from(last.scheduleId).toString('base64url') }
      : { schedules }
  }

  async update(scheduleId: string, changes: Partial<Omit<ScheduleRequest, 'paused'>>): Promise<ScheduleInfo> {
    const { spec, workflow, input, attributes, ...rest } = checkObject(changes, 'change')
    const checked = { ...(spec === undefined ? {} : { spec: checkSpec(spec) }), ...checkRest(rest) }
    const current = await this.row(scheduleId)
    const isRestarted = workflow !== undefined || attributes !== undefined || 'input' in changes
    const start = !isRestarted
      ? {}
      : await this.prepare(scheduleId, {
          workflow: workflow ?? current.workflow,
          input: 'input' in changes ? input : decode(current.input),
          attributes: attributes ?? current.attributes ?? undefined,
        })
    const { row } = await this.change(scheduleId, ({ row: found, at }) => {
      if (isRestarted && found.revision !== current.revision) throw changedMeanwhile(scheduleId)
      const next = { ...found, ...checked, ...start }
      return unstarted(revised(spec === undefined ? due(next, at) : rescheduled(next, at)))
    })
    return infoOf(row)
  }

  async pause(scheduleId: string, note?: string): Promise<void> {
    const noted = checkRest({ note })
    await this.change(scheduleId, ({ row }) =>
      unstarted(row.paused ? row : revised({ ...row, ...noted, paused: true })),
    )
  }

  async resume(scheduleId: string, note?: string): Promise<void> {
    const noted = checkRest({ note })
    await this.change(scheduleId, ({ row, at }) => {
      if (!row.paused) return unstarted(row)
      // What waited when it was paused goes the way of what came due since.
      const skipped = row.skipped + (row.bufferedAt === null ? 0 : 1)
      return unstarted(
        revised(rescheduled({ ...row, ...noted, paused: false, bufferedAt: null, skipped }, at)),
      )
    })
  }

  async trigger(scheduleId: string, options: { readonly triggerId?: string } = {}): Promise<Handle> {
    const { store } = this.options
    const executionId = `${this.checkId(scheduleId)}/trigger/${this.triggerKey(options.triggerId)}`
    const key = store.keyOf(executionId)
    const [existing = null] = options.triggerId === undefined ? [] : await store.readExecutions([key])
    if (existing !== null) return this.options.handle({ executionId, created: false })
    await this.change(scheduleId, ({ row }) => ({
      row: { ...row, lastExecutionId: executionId, fired: row.fired + 1 },
      starts: [scheduledStart(row, key, this.options.host?.definition(row.workflow))],
    }))
    return this.options.handle({ executionId, created: true })
  }

  async backfill(
    scheduleId: string,
    range: { readonly from: Date; readonly to: Date },
  ): Promise<{ readonly executionIds: readonly string[] }> {
    const { store } = this.options
    const from = checkInstant(range.from, 'beginning of the backfill')
    const to = checkInstant(range.to, 'end of the backfill')
    const { starts } = await this.change(scheduleId, ({ row, at }) => {
      const times = backfillTimes(row, { from, to }, at)
      const known = this.options.host?.definition(row.workflow)
      return {
        row,
        starts: times.map((time) => scheduledStart(row, store.keyOf(firingId(scheduleId, time)), known)),
      }
    })
    return { executionIds: starts.map(({ key }) => key.executionId) }
  }

  async delete(scheduleId: string): Promise<void> {
    if (!(await this.options.store.removeSchedule(this.checkId(scheduleId)))) throw notFound(scheduleId)
  }

  // ---- inside

  private async change(
    scheduleId: string,
    decide: (seen: SeenSchedule) => ScheduleChange,
  ): Promise<ScheduleChange> {
    const change = await this.options.store.changeSchedule(this.checkId(scheduleId), decide)
    if (change === null) throw notFound(scheduleId)
    this.changed(change.starts)
    return change
  }

  private changed(starts: readonly StartRow[] = []): void {
    this.options.host?.scheduleChanged(starts.map(({ key }) => key))
  }

  private async row(scheduleId: string): Promise<ScheduleRow> {
    const row = await this.options.store.readSchedule(this.checkId(scheduleId))
    if (row === null) throw notFound(scheduleId)
    return row
  }

  /** What a start of it would be made of, checked as a start is. */
  private async prepare(
    scheduleId: string,
    {
      attributes,
      ...request
    }: Pick<ScheduleRequest, 'workflow' | 'input'> & { attributes: Attributes | undefined },
  ): Promise<Pick<Definition, 'workflow' | 'workflowVersion' | 'input' | 'unchecked' | 'attributes'>> {
    const start = await this.options.prepare({
      ...request,
      id: scheduleId,
      ...(attributes === undefined ? {} : { attributes }),
    })
    const { unchecked }: { unchecked?: unknown } = Object(JSON.parse(start.event.detail ?? '{}'))
    return {
      workflow: start.workflow,
      workflowVersion: start.workflowVersion,
      input: start.event.payload ?? null,
      unchecked: unchecked === true,
      attributes: start.attributes ?? null,
    }
  }

  /** The ids of what it starts are longer. */
  private checkId(scheduleId: string): string {
    return checkId(scheduleId, 'schedule id', this.options.limits.idCharactersMax - FIRING_ID_CHARACTERS)
  }

  private triggerKey(triggerId: string | undefined): string {
    if (triggerId === undefined) return newId()
    checkId(triggerId, 'trigger id', this.options.limits.idCharactersMax)
    return createHash('sha256').update(triggerId).digest('hex').slice(0, 32)
  }

  private decodeCursor(cursor: string): string {
    try {
      return this.checkId(Buffer.from(cursor, 'base64url').toString())
    } catch (cause) {
      const text = 'The cursor is not one that a list gave. Start again without one.'
      throw new CerebelumError('INVALID_CURSOR', text, { cause })
    }
  }
}

function newSchedule(
  given: Definition & Pick<ScheduleRow, 'scheduleId' | 'region' | 'paused'>,
  at: Date,
): NewSchedule {
  const nextAt = timesOf(given.spec)(at)
  if (nextAt === null) {
    const text = `Schedule "${given.scheduleId}" would never fire after ${at.toISOString()}. Change its spec.`
    throw new CerebelumError('INVALID_SCHEDULE', text, { scheduleId: given.scheduleId })
  }
  return {
    ...given,
    revision: 1,
    nextAt,
    dueAt: dueOf(given, nextAt),
    lastAt: null,
    bufferedAt: null,
    lastExecutionId: null,
    fired: 0,
    skipped: 0,
    missed: 0,
  }
}

/** Whether what is there is what was asked for: a blind retry. Pausing and notes are no part of it. */
function isSame(row: ScheduleRow, wanted: Definition): boolean {
  const facts = ({ spec, jitterMs, workflow, input, attributes, overlap, catchUpMs }: Definition): string =>
    JSON.stringify([formatSpec(spec), jitterMs, workflow, input, attributes, overlap, catchUpMs])
  return facts(row) === facts(wanted)
}

// ---- what becomes of a row

function revised(row: ScheduleRow): ScheduleRow {
  return { ...row, revision: row.revision + 1 }
}

function unstarted(row: ScheduleRow): ScheduleChange {
  return { row, starts: [] }
}

/** From now on, and never what has been judged already. */
function rescheduled(row: ScheduleRow, at: Date): ScheduleRow {
  const after = row.lastAt !== null && row.lastAt > at ? row.lastAt : at
  return due({ ...row, nextAt: timesOf(row.spec)(after) }, at)
}

function due(row: ScheduleRow, at: Date): ScheduleRow {
  if (row.bufferedAt !== null) return { ...row, dueAt: at }
  return { ...row, dueAt: row.nextAt === null ? null : dueOf(row, row.nextAt) }
}

function upcomingOf(row: ScheduleRow): Date[] {
  const next = timesOf(row.spec)
  const times: Date[] = []
  for (let time = row.nextAt; time !== null && times.length < UPCOMING; time = next(time)) times.push(time)
  return times
}

function backfillTimes(
  { spec, scheduleId }: ScheduleRow,
  { from, to }: { readonly from: Date; readonly to: Date },
  at: Date,
): Date[] {
  if (to > at) {
    const text = `The backfill of schedule "${scheduleId}" ends at ${to.toISOString()}, in the future. What is still to come is fired when it is due.`
    throw new CerebelumError('INVALID_ARGUMENT', text, { scheduleId })
  }
  const next = timesOf(spec)
  const times: Date[] = []
  for (let time = next(new Date(from.getTime() - 1)); time !== null && time < to; time = next(time)) {
    if (times.length === BACKFILL_MAX) {
      const text = `The backfill of schedule "${scheduleId}" has over ${BACKFILL_MAX} firings (limit scheduleBackfillMax). Split the range.`
      throw new CerebelumError('TOO_MANY', text, { scheduleId, limit: 'scheduleBackfillMax' })
    }
    times.push(time)
  }
  return times
}

function infoOf(row: ScheduleRow): ScheduleInfo {
  const { region: _region, input: _input, unchecked: _unchecked, dueAt: _dueAt, attributes, ...info } = row
  return { ...info, attributes: attributes ?? {} }
}

// ---- checks

type Rest = Pick<ScheduleRequest, 'overlap' | 'catchUp' | 'jitter'> & { readonly note?: string | undefined }

function checkRest({ overlap, catchUp, jitter, note }: Rest): Partial<Definition> {
  return {
    ...(overlap === undefined ? {} : { overlap: checkOneOf(overlap, OVERLAP_POLICIES, 'overlap policy') }),
    ...(catchUp === undefined ? {} : { catchUpMs: checkSpan(catchUp, 'catch-up window', CATCH_UP_MS_MIN) }),
    ...(jitter === undefined ? {} : { jitterMs: checkSpan(jitter, 'jitter', 0) }),
    ...(note === undefined ? {} : { note: checkNote(note) }),
  }
}

function checkSpan(value: NonNullable<Rest['jitter']>, what: string, min: number): number {
  const ms = Math.round(durationMs(value, `${what} of the schedule`))
  if (ms >= min) return ms
  throw new CerebelumError('INVALID_SCHEDULE', `The ${what} is ${ms} ms; it must be at least ${min} ms.`)
}

function checkNote(note: unknown): string {
  if (typeof note === 'string' && note.length <= NOTE_CHARACTERS_MAX && !note.includes('\0')) return note
  const found = typeof note === 'string' ? 'too long, or has a NUL' : typeof note
  const text = `The note is ${found}. Give a text of at most ${NOTE_CHARACTERS_MAX} characters.`
  throw new CerebelumError('INVALID_ARGUMENT', text)
}

function checkBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new CerebelumError('INVALID_ARGUMENT', `\`paused\` is ${typeof value}. Give true or false.`)
}

function checkObject<T>(value: T, what: string): NonNullable<T> {
  if (typeof value === 'object' && value !== null) return value
  throw new CerebelumError('INVALID_ARGUMENT', `The ${what} is ${String(value)}; it must be an object.`)
}

function notFound(scheduleId: string): CerebelumError {
  const text = `There is no schedule "${scheduleId}". Check the id; a deleted one is gone.`
  return new CerebelumError('SCHEDULE_NOT_FOUND', text, { scheduleId })
}

function changedMeanwhile(scheduleId: string): CerebelumError {
  const text = `Schedule "${scheduleId}" changed while it was being updated. Try again.`
  return new CerebelumError('CONFLICT', text, { scheduleId, retryAfterMs: 100 })
}
