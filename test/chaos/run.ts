// The chaos run: rounds of consecutive seeds on one database server. It stops at the first round that finds something
// and keeps everything there is to look at.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reportingSchema } from '../../src/store/tables.js'
import { connect } from '../support/connect.js'
import { startOwnPostgres } from '../support/own-postgres.js'
import { CONNECTIONS_MAX } from './misfortune.js'
import { FAULT_KINDS, planRound, planText, SERVER_FAULTS, type FaultKind } from './plan.js'
import { runRound, type RoundReport } from './round.js'

export interface ChaosOptions {
  /** Of the first round; each following round has the next one. */
  readonly seed: number
  readonly rounds: number
  /** How long a round is under fire. */
  readonly seconds: number
  readonly nodes: number
  readonly faults: readonly FaultKind[]
  readonly rate: number
  /** Default: a PostgreSQL of the run's own, whose server it may kill. */
  readonly databaseUrl?: string
  readonly say: (line: string) => void
  /** Told how to leave nothing behind when the run is to end at once; the nodes go with their parent. */
  readonly onServer?: (drop: () => Promise<void>) => void
}

/** Whether nothing was found. */
export async function runChaos(options: ChaosOptions): Promise<boolean> {
  const { seed, rounds, databaseUrl, say } = options
  const folder = await mkdtemp(join(tmpdir(), 'cerebelum-chaos-'))
  const server =
    databaseUrl === undefined
      ? await startOwnPostgres({ settings: { max_connections: CONNECTIONS_MAX } })
      : undefined
  if (server !== undefined)
    options.onServer?.(async () => {
      await server.drop()
      await rm(folder, { recursive: true, force: true })
    })
  const url = server?.url ?? databaseUrl ?? ''
  const kinds = options.faults.filter((kind) => server !== undefined || !SERVER_FAULTS.has(kind))
  let found: RoundReport | undefined
  try {
    for (let round = 0; round < rounds && found === undefined; round++) {
      const { seconds, nodes, rate } = options
      const plan = planRound({ seed: seed + round, seconds, nodes, kinds })
      const report = await runRound({ plan, url, server, folder, rate })
      say(reportLine(report, { round: round + 1, rounds, seed: plan.seed }))
      if (report.findings.length > 0) {
        found = report
        say(planText(plan))
      } else await drop(url, report.schema)
    }
  } finally {
    await (found === undefined ? server?.drop() : server?.keep())
    if (found === undefined) await rm(folder, { recursive: true, force: true })
  }
  if (found !== undefined) say(foundText(found, { ...options, dataDir: server?.dataDir, folder }))
  return found === undefined
}

export function reportLine(
  report: RoundReport,
  { round, rounds, seed }: { readonly round: number; readonly rounds: number; readonly seed: number },
): string {
  const faults = FAULT_KINDS.flatMap((kind) => {
    const times = report.faults.get(kind)
    return times === undefined ? [] : [`${kind} ${times}`]
  })
  const verdict = report.findings.length === 0 ? 'nothing wrong' : `${report.findings.length} VIOLATIONS`
  return [
    `round ${round}/${rounds}, seed ${seed}: ${verdict}`,
    `${report.executions} executions, ${report.events} events`,
    `${report.acknowledged} requests acknowledged, ${report.repeated} attempts repeated`,
    `${report.seconds.toFixed(1)} s, all at rest ${report.settledSeconds.toFixed(1)} s after the last fault`,
    `faults: ${faults.join(', ') || 'none'}; ${report.wireFaults} statements met one on the wire`,
  ].join(' · ')
}

async function drop(url: string, schema: string): Promise<void> {
  const sql = connect(url, { max: 1 })
  try {
    for (const name of [reportingSchema(schema), schema])
      await sql`drop schema if exists ${sql(name)} cascade`
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** What was found, and how to have it again and look at it. */
function foundText(
  { findings, schema }: RoundReport,
  place: {
    readonly seed: number
    readonly seconds: number
    readonly nodes: number
    readonly faults: readonly FaultKind[]
    readonly dataDir: string | undefined
    readonly databaseUrl?: string
    readonly folder: string
  },
): string {
  const { dataDir, folder, seconds, nodes, faults } = place
  const seed = schema.split('_')[1] ?? ''
  const kinds = faults.length === FAULT_KINDS.length ? 'all' : faults.join(',') || 'none'
  const shown = findings.slice(0, FINDINGS_SHOWN).map((finding) => `  ${finding}`)
  const rest = findings.length - shown.length
  return [
    'found:',
    ...shown,
    ...(rest > 0 ? [`  and ${rest} more`] : []),
    `Again: npm run chaos -- --seed ${seed} --rounds 1 --seconds ${seconds} --nodes ${nodes} --faults ${kinds}`,
    `Look: schema ${schema} ` +
      (dataDir === undefined
        ? 'of the given database'
        : `of the database in ${dataDir}, which "npm run chaos -- --look ${dataDir}" starts`),
    `What the steps did: ${folder}`,
  ].join('\n')
}

const FINDINGS_SHOWN = 20
