// `cerebelum schedules`: what starts executions by the clock, listed, shown, made, paused, triggered and deleted.

import type { Command } from 'commander'
import type { Client } from '../client/client.js'
import type { ScheduleDetails, ScheduleInfo } from '../client/schedules.js'
import { withClient } from './client-command.js'
import type { Flags } from './config.js'
import { EXIT } from './exit-codes.js'
import { addFlags, DATABASE_FLAGS } from './flags.js'
import { say, writeTable } from './output.js'
import { instantOf, scheduleOf, type ScheduleFlags } from './schedule-flags.js'

type Run = (code: Promise<number>) => Promise<void>

interface ShowFlags extends Flags {
  readonly json?: boolean
  readonly workflow?: string
}

interface CreateFlags extends Flags, ScheduleFlags {
  readonly json?: boolean
}

interface NoteFlags extends Flags {
  readonly note?: string
}

interface TriggerFlags extends Flags {
  readonly json?: boolean
  readonly triggerId?: string
}

interface BackfillFlags extends Flags {
  readonly json?: boolean
  readonly from: string
  readonly to: string
}

/** More are counted by nobody's eyes; with --json all are written. */
const SHOWN_MAX = 1_000

export function addSchedulesCommand(program: Command, run: Run): void {
  const command = program
    .command('schedules')
    .description('what starts executions by the clock: list, show, make, pause, trigger, delete')
  addLooking(command, run)
  addCreate(command, run)
  addPausing(command, run)
  addStarting(command, run)
}

function addLooking(command: Command, run: Run): void {
  const list = command
    .command('list', { isDefault: true })
    .description('all, in the order of their ids')
    .option('--workflow <name>', 'only those that start this one')
    .option('--json', 'one JSON object per schedule')
  addFlags(list, DATABASE_FLAGS).action((flags: ShowFlags) =>
    run(withClient(flags, (client) => showAll(client, flags))),
  )
  const show = command
    .command('show')
    .description('one, with what it starts and when next')
    .argument('<id>')
    .option('--json', 'one JSON object')
  addFlags(show, DATABASE_FLAGS).action((id: string, flags: ShowFlags) =>
    run(withClient(flags, (client) => showOne(client, id, flags))),
  )
}

function addCreate(command: Command, run: Run): void {
  const create = command
    .command('create')
    .description('makes one; the same made again is left as it is')
    .argument('<id>')
    .requiredOption('--workflow <name>', 'what it starts')
    .option('--cron <expression...>', 'five fields, or six with seconds first; several may be given')
    .option('--time-zone <name>', 'of the cron expressions, e.g. Europe/Berlin (default: UTC)')
    .option('--every <duration>', 'instead of --cron: so often, e.g. "15 minutes"')
    .option('--offset <duration>', 'moves --every, which counts from 1970')
    .option('--from <instant>', 'no firing before it, e.g. 2030-01-01T00:00:00Z')
    .option('--until <instant>', 'no firing at it or later')
    .option('--input <json>', 'what each execution is given')
    .option('--attributes <json>', 'search attributes of each execution')
    .option('--overlap <policy>', 'while the one before is open: skip (default), buffer-one, allow, …')
    .option('--catch-up <duration>', 'what is late by more is missed (default: 1 hour)')
    .option('--jitter <duration>', 'puts each firing off by a part of it')
    .option('--paused', 'made, and left paused')
    .option('--note <text>', 'for people')
    .option('--json', 'one JSON object')
  addFlags(create, DATABASE_FLAGS).action((id: string, flags: CreateFlags) => run(createOne(id, flags)))
}

function addPausing(command: Command, run: Run): void {
  const pause = command
    .command('pause')
    .description('starts nothing by the clock until they are resumed')
    .argument('<id...>')
    .option('--note <text>', 'why, for people')
  addFlags(pause, DATABASE_FLAGS).action((ids: readonly string[], flags: NoteFlags) =>
    run(withEach(flags, ids, (client, id) => client.schedules.pause(id, flags.note), 'paused')),
  )
  const resume = command
    .command('resume')
    .description('go on with the next firing; what came due meanwhile is not made up')
    .argument('<id...>')
    .option('--note <text>', 'for people')
  addFlags(resume, DATABASE_FLAGS).action((ids: readonly string[], flags: NoteFlags) =>
    run(withEach(flags, ids, (client, id) => client.schedules.resume(id, flags.note), 'goes on')),
  )
  const remove = command
    .command('delete')
    .description('deletes them; what they started goes on')
    .argument('<id...>')
  addFlags(remove, DATABASE_FLAGS).action((ids: readonly string[], flags: Flags) =>
    run(withEach(flags, ids, (client, id) => client.schedules.delete(id), 'deleted')),
  )
}

function addStarting(command: Command, run: Run): void {
  const trigger = command
    .command('trigger')
    .description('starts one execution now, whatever its overlap policy says')
    .argument('<id>')
    .option('--trigger-id <id>', 'the same one starts it once, however often it is sent')
    .option('--json', 'one JSON object')
  addFlags(trigger, DATABASE_FLAGS).action((id: string, flags: TriggerFlags) =>
    run(withClient(flags, (client) => triggerOne(client, id, flags))),
  )
  const backfill = command
    .command('backfill')
    .description('starts what would have been fired in a range of the past, at most 1,000')
    .argument('<id>')
    .requiredOption('--from <instant>', 'e.g. 2026-01-01T00:00:00Z')
    .requiredOption('--to <instant>', 'the first instant behind the range')
    .option('--json', 'one JSON object')
  addFlags(backfill, DATABASE_FLAGS).action((id: string, flags: BackfillFlags) => run(backfillOne(id, flags)))
}

async function showAll(client: Client, { json, workflow }: ShowFlags): Promise<number> {
  const filter = { limit: SHOWN_MAX, ...(workflow === undefined ? {} : { workflow }) }
  if (json === true) return writeAll(client, filter)
  const { schedules, cursor } = await client.schedules.list(filter)
  writeTable({
    head: ['schedule', 'workflow', 'when', 'next', 'last', 'fired', 'skipped', 'missed', 'note'],
    rows: schedules.map(rowOf),
  })
  if (cursor !== undefined) say(`there are more; these are the first ${SHOWN_MAX}`)
  return EXIT.ok
}

async function writeAll(
  client: Client,
  filter: { readonly limit: number; readonly workflow?: string },
): Promise<number> {
  let page = await client.schedules.list(filter)
  for (;;) {
    for (const schedule of page.schedules) write(schedule)
    if (page.cursor === undefined) return EXIT.ok
    page = await client.schedules.list({ ...filter, cursor: page.cursor })
  }
}

function rowOf(info: ScheduleInfo): (string | number | null)[] {
  const { scheduleId, workflow, paused, nextAt, lastAt, fired, skipped, missed, note } = info
  const next = paused ? 'paused' : textOf(nextAt)
  return [scheduleId, workflow, whenOf(info), next, textOf(lastAt), fired, skipped, missed, note]
}

function whenOf({ spec }: ScheduleInfo): string {
  if ('cron' in spec) return `${spec.cron.join(' | ')} (${spec.timeZone})`
  const offset = spec.offset === 0 ? '' : `, moved by ${spec.offset} ms`
  return `every ${spec.every} ms${offset}`
}

async function showOne(client: Client, id: string, { json }: ShowFlags): Promise<number> {
  const details = await client.schedules.describe(id)
  if (json === true) write(details)
  else writeTable({ head: ['what', 'is'], rows: factsOf(details) })
  return EXIT.ok
}

function factsOf(details: ScheduleDetails): (readonly (string | number | null)[])[] {
  const { spec } = details
  return [
    ['schedule', details.scheduleId],
    ['workflow', `${details.workflow} ${details.workflowVersion}`],
    ['when', whenOf(details)],
    ['from', textOf(spec.from)],
    ['until', textOf(spec.until)],
    ['input', details.input === undefined ? null : JSON.stringify(details.input)],
    ['attributes', JSON.stringify(details.attributes)],
    ['overlap', details.overlap],
    ['catch-up ms', details.catchUpMs],
    ['jitter ms', details.jitterMs],
    ['paused', details.paused ? 'yes' : 'no'],
    ['note', details.note],
    ['last', textOf(details.lastAt)],
    ['last execution', details.lastExecutionId],
    ['waits for it', textOf(details.bufferedAt)],
    ['fired', details.fired],
    ['skipped', details.skipped],
    ['missed', details.missed],
    ...details.upcoming.map((at) => ['next', textOf(at)] as const),
  ]
}

/** Flags are judged before a database is opened, which may be an embedded one. */
async function createOne(id: string, flags: CreateFlags): Promise<number> {
  const request = scheduleOf(flags)
  return withClient(flags, async (client) => {
    const { created } = await client.schedules.create(id, request)
    if (flags.json === true) write({ scheduleId: id, created })
    else say(created ? `${id}: made` : `${id}: was there already, just so`)
    return EXIT.ok
  })
}

async function triggerOne(client: Client, id: string, { json, triggerId }: TriggerFlags): Promise<number> {
  const { executionId, created } = await client.schedules.trigger(
    id,
    triggerId === undefined ? {} : { triggerId },
  )
  if (json === true) write({ executionId, created })
  else process.stdout.write(`${executionId}\n`)
  return EXIT.ok
}

async function backfillOne(id: string, flags: BackfillFlags): Promise<number> {
  const range = { from: instantOf('--from', flags.from), to: instantOf('--to', flags.to) }
  return withClient(flags, async (client) => {
    const started = await client.schedules.backfill(id, range)
    if (flags.json === true) write(started)
    else for (const executionId of started.executionIds) process.stdout.write(`${executionId}\n`)
    return EXIT.ok
  })
}

/** One after the other: those before one that fails are done, and said to be. */
function withEach(
  flags: Flags,
  ids: readonly string[],
  work: (client: Client, id: string) => Promise<void>,
  done: string,
): Promise<number> {
  return withClient(flags, async (client) => {
    for (const id of ids) {
      await work(client, id)
      say(`${id}: ${done}`)
    }
    return EXIT.ok
  })
}

function write(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

function textOf(instant: Date | null | undefined): string | null {
  return instant?.toISOString() ?? null
}
