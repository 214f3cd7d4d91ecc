// Judges a round when everything has come to rest: the whole database by the invariants, every execution by what its
// program must do, and what steps did outside by their ledgers.

import type postgres from 'postgres'
import { decode } from '../../src/core/codec.js'
import type { Event } from '../../src/core/event.js'
import { mostAtOnce, readSpans } from '../support/gates.js'
import { findViolations } from '../support/invariants.js'
import { readHistories, type Histories } from '../property/normal-form.js'
import { locate, type Program } from '../property/program.js'
import { expectedOf, isAsExpected } from './expected.js'
import { LANES, NARROW_MAX } from './workflows.js'

/** How often a step did what it does: by execution and name. */
export type Ledger = ReadonlyMap<string, number>

export interface Round {
  /** Nobody says how these end, nor what they have started. */
  readonly meddled: ReadonlySet<string>
  readonly starts: Iterable<string>
  readonly messages: Iterable<{ readonly executionId: string; readonly messageId: string }>
  readonly ledger: Ledger
  /** No fault was planned: then no step runs twice. */
  readonly isCalm: boolean
}

/** One line for each thing that must not be. */
export async function judgeRound(sql: postgres.Sql, round: Round): Promise<string[]> {
  const { starts, messages } = round
  const histories = await readHistories(sql)
  return [
    ...(await findViolations(sql, { quiet: true, starts, messages })),
    ...(await judgeMessages(sql)),
    ...(await judgeLimits(sql)),
    ...[...histories].flatMap(([id, events]) =>
      isMeddled(id, round.meddled) ? [] : judgeOutcome(id, events),
    ),
    ...judgeLedger(round, histories),
    ...(await judgeEffects(sql, histories)),
  ]
}

/** Never more at a time than the limit of its lane, and nobody without having been let in. */
async function judgeLimits(sql: postgres.Sql): Promise<string[]> {
  const spans = await readSpans(sql, 'narrow')
  const [all] = await sql<{ n: number }[]>`
    select count(*)::int4 as n from executions where workflow = 'narrow' and closed_at is not null`
  const crowded = LANES.flatMap((lane) => {
    const most = mostAtOnce(spans.filter(({ executionId }) => executionId.includes(`-${lane}-`)))
    return most > NARROW_MAX ? [`narrow: ${most} of lane ${lane} ran at once, of at most ${NARROW_MAX}`] : []
  })
  return all?.n === spans.length
    ? crowded
    : [...crowded, `narrow: ${all?.n} ended, ${spans.length} were let in`]
}

/** A signal is named by its sender, so that one sent twice is one. */
async function judgeMessages(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ execution_id: string; message_id: string; name: string }[]>`
    select execution_id, message_id, name from signals where kind = 'signal'`
  return rows.flatMap(({ execution_id: id, message_id: messageId, name }) =>
    messageId === `signal:${name}` || (name === 'queue' && /^signal:queue \d+$/.test(messageId))
      ? []
      : [`${id}: has message "${messageId}", which nobody sent`],
  )
}

/** It, or whoever started it. */
function isMeddled(executionId: string, meddled: ReadonlySet<string>): boolean {
  return meddled.has(executionId.split('/')[0] ?? '')
}

/** What the execution was started to do, by its own history; undefined for other workflows. */
function jobOf(events: readonly Event[]): { readonly program: Program; readonly prefix: string } | undefined {
  const [started] = events
  if (started?.name !== 'program') return undefined
  const { program, prefix }: { program?: Program; prefix?: string } = Object(decode(started.payload))
  return program === undefined || prefix === undefined ? undefined : { program, prefix }
}

function judgeOutcome(id: string, events: readonly Event[]): string[] {
  const job = jobOf(events)
  if (job === undefined) return []
  const expected = expectedOf(job.program, job.prefix)
  const findings: string[] = []
  const ends = events.at(-1)?.type
  // A child may be ended by the end of its parent.
  const isChild = id.includes('/')
  if (isChild && (ends === 'canceled' || ends === 'terminated')) return []
  if (ends !== expected.ends) findings.push(`${id}: ended as ${ends}, not ${expected.ends}`)
  const runs = events.filter(({ type }) => type === 'started').length
  if (runs !== expected.runs) findings.push(`${id}: had ${runs} runs, not ${expected.runs}`)
  const log = events.findLast((event) => event.type === 'step_completed' && event.name === 'log')
  if (!isAsExpected(decode(log?.payload), expected.log))
    findings.push(`${id}: saw something else than its program says: ${log?.payload}`)
  const completed = new Set(events.filter(({ type }) => type === 'step_completed').map(({ name }) => name))
  for (const name of [...expected.transactions, ...expected.undone])
    if (!completed.has(name)) findings.push(`${id}: step "${name}" was never recorded`)
  return findings
}

/** The interpreter's own steps, which note nothing. */
const SILENT = /^(log|send .*|handle .*|draw .*)$/

export function keyOf(executionId: string, name: string): string {
  return `${executionId} ${name}`
}

/** Transactional steps note nothing in the ledger: their effects are rows. */
function transactionsOf(events: readonly Event[]): ReadonlySet<string> {
  if (events[0]?.name === 'hog') return new Set(['hold'])
  const job = jobOf(events)
  return new Set(job === undefined ? [] : expectedOf(job.program, job.prefix).transactions)
}

/** What was recorded was done, at least once; what was done is recorded, unless its execution came to an early end. */
function judgeLedger({ ledger, isCalm, meddled }: Round, histories: Histories): string[] {
  const findings: string[] = []
  const recorded = new Set<string>()
  for (const [id, events] of histories) {
    const transactions = transactionsOf(events)
    for (const { type, name = '', version, attempt } of events) {
      if (type !== 'step_completed' && type !== 'step_failed') continue
      const key = keyOf(id, name)
      recorded.add(key)
      if (SILENT.test(name) || transactions.has(name) || attempt === undefined) continue
      const done = ledger.get(key) ?? 0
      if (done < 1) findings.push(`${key}: is recorded at version ${version}, but was never done`)
      if (isCalm && done !== attempt)
        findings.push(`${key}: took ${attempt} attempts by its record, ${done} by the ledger`)
    }
  }
  for (const key of ledger.keys()) {
    const [id = '', ...name] = key.split(' ')
    const events = histories.get(id)
    if (events === undefined) findings.push(`${key}: was done for an execution that is not there`)
    else if (isMeddled(id, meddled) || mayBeLeft(events, name.join(' '))) continue
    else if (!recorded.has(key) && events.at(-1)?.type === 'completed')
      findings.push(`${key}: was done, but is not recorded`)
  }
  return findings
}

/** Steps that nobody waits for may still be at work when the code has returned. */
function mayBeLeft(events: readonly Event[], name: string): boolean {
  if (name.includes(' failing ')) return true
  const job = jobOf(events)
  if (job === undefined) return false
  return locate(job.program, job.prefix).some(({ path, node }) => path === name && node.kind === 'unawaited')
}

/** Each effect has its record, and each record of a transactional step its one effect. */
async function judgeEffects(sql: postgres.Sql, histories: Histories): Promise<string[]> {
  const rows = await sql<{ execution_id: string; name: string; n: number }[]>`
    select execution_id, name, count(*)::int4 as n from effects group by execution_id, name`
  const effects = new Map(rows.map((row) => [keyOf(row.execution_id, row.name), row.n]))
  const findings: string[] = []
  const recorded = new Set<string>()
  for (const [id, events] of histories) {
    const transactions = transactionsOf(events)
    for (const { type, name = '' } of events) {
      if (type !== 'step_completed' || !transactions.has(name)) continue
      const key = keyOf(id, name)
      recorded.add(key)
      const n = effects.get(key) ?? 0
      if (n !== 1) findings.push(`${key}: took effect ${n} times`)
    }
  }
  for (const key of effects.keys())
    if (!recorded.has(key)) findings.push(`${key}: took effect without a record`)
  return findings
}
