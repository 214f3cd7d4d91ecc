// `cerebelum example`: the flight compensation example on real records, from an empty folder to an audited summary.
// Every part may be killed at any moment: what is started again has the same ids, so the next call finishes the
// same executions.

import type { Command } from 'commander'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { startApprovalAgent } from '../examples/flights/approval-agent.js'
import { audit } from '../examples/flights/audit.js'
import { readExecutions } from '../examples/flights/executions.js'
import { executionIdOf, prefixOf, type Flight } from '../examples/flights/flight.js'
import { Ledger } from '../examples/flights/ledger.js'
import { FLIGHTS_MAX, readFlights } from '../examples/flights/records.js'
import { settle } from '../examples/flights/settle.js'
import { startFlights } from '../examples/flights/start.js'
import { summarize } from '../examples/flights/summary.js'
import { flightCompensation } from '../examples/flights/workflow.js'
import type { Client } from '../client/client.js'
import type { Logger } from '../core/ports.js'
import { migrate } from '../store/migrate.js'
import { createPool } from '../store/pool.js'
import { Cleanup } from './cleanup.js'
import { readConfig, type Flags } from './config.js'
import { openDatabase } from './database.js'
import { EXIT } from './exit-codes.js'
import { addFlags, NODE_FLAGS } from './flags.js'
import { untilInterrupted, type Interrupt } from './interrupt.js'
import { createLog } from './log.js'
import { say, withProgress, writeTable } from './output.js'
import { startNode } from './running-node.js'
import { summaryTable } from './summary-table.js'

interface ExampleFlags extends Flags {
  readonly flights: string
  readonly run?: string
  readonly approvalTimeout: string
  readonly exit?: boolean
}

export function addExampleCommand(
  program: Command,
  run: (code: Promise<number>) => Promise<void>,
  interrupt: Interrupt,
): void {
  const command = program
    .command('example')
    .description('run the example: compensation for delayed flights, one execution per flight record')
    .option('--flights <number>', `how many flights, up to ${FLIGHTS_MAX}`, String(FLIGHTS_MAX))
    .option('--run <name>', 'a name that makes the same flights new executions')
    .option('--approval-timeout <duration>', 'how long a large claim waits for its approval', '10s')
    .option('--exit', 'end after the summary; exit code 5 when the audit finds anything')
  addFlags(command, NODE_FLAGS).action((flags: ExampleFlags) => run(runExample(flags, interrupt)))
}

async function runExample(flags: ExampleFlags, interrupt: Interrupt): Promise<number> {
  const config = readConfig(flags)
  const job = readJob(flags)
  const log = createLog(config.logLevel ?? 'warn')
  const cleanup = new Cleanup(log)
  const { aborted } = interrupt
  try {
    const flights = await readFlights(job.flightCount)
    const database = await openDatabase(config, log)
    cleanup.add('database', () => database.close())
    say(`data: ${database.description}`)
    aborted.throwIfAborted()
    const { url } = database
    const { schema, region } = config
    await migrate({ url, schema, ...(region === undefined ? {} : { region }) })
    const pool = createPool({
      url,
      connections: LEDGER_CONNECTIONS,
      statementTimeoutMs: 30_000,
      settings: false,
      name: 'cerebelum example',
    })
    cleanup.add('ledger', () => pool.end({ timeout: 5 }))
    const ledger = new Ledger(pool, `${schema}_example`)
    await ledger.prepare()
    aborted.throwIfAborted()
    const workflows = [flightCompensation({ ledger, approvalTimeout: job.approvalTimeout })]
    const node = await startNode({ config, databaseUrl: url, workflows, log, mayMovePort: true })
    cleanup.add('node', () => node.stop())
    say(`http: ${node.url}`)
    const isClean = await compensate({ client: node.client, flights, ledger, run: job.run, log, aborted })
    if (!job.exits) {
      say(`serving on ${node.url}; Ctrl-C ends`)
      await untilInterrupted(interrupt)
    }
    return isClean ? EXIT.ok : EXIT.auditFailed
  } finally {
    await cleanup.run()
  }
}

const LEDGER_CONNECTIONS = 5

interface Job {
  readonly flightCount: number
  readonly run: string | undefined
  readonly approvalTimeout: string
  readonly exits: boolean
}

function readJob({ flights, run, approvalTimeout, exit }: ExampleFlags): Job {
  const flightCount = Number(flights)
  if (!Number.isInteger(flightCount) || flightCount < 1 || flightCount > FLIGHTS_MAX) {
    throw new CerebelumError(
      'SETTINGS',
      `--flights is "${flights}"; expected a whole number from 1 to ${FLIGHTS_MAX}.`,
    )
  }
  if (run !== undefined && !/^[\w-]{1,100}$/.test(run)) {
    throw new CerebelumError(
      'SETTINGS',
      `--run is "${run}"; expected up to 100 letters, digits, "-" and "_".`,
    )
  }
  durationMs(approvalTimeout, 'approval time-out')
  return { flightCount, run, approvalTimeout, exits: exit === true }
}

interface Compensation {
  readonly client: Client
  readonly flights: readonly Flight[]
  readonly ledger: Ledger
  readonly run: string | undefined
  readonly log: Logger
  readonly aborted: AbortSignal
}

/** Starts (or finds) all executions, waits for their ends, and shows what came of them; true when all is well. */
async function compensate(options: Compensation): Promise<boolean> {
  const { client, flights, run, log, aborted } = options
  const agent = startApprovalAgent({ client, flights, run, log })
  const total = flights.length
  const ids = flights.map((flight) => executionIdOf(flight, run))
  const begunMs = performance.now()
  try {
    const { created, existing } = await withProgress({ label: 'started', total }, (onProgress) =>
      startFlights(client, flights, { run, signal: aborted, onProgress }),
    )
    if (existing > 0) say(`${existing} of them existed already; ${created} are new`)
    await withProgress({ label: 'ended', total }, (onProgress) =>
      settle(client, ids, { signal: aborted, onProgress }),
    )
  } finally {
    await agent.stop()
  }
  return report({ ...options, ownMs: performance.now() - begunMs })
}

async function report({
  client,
  flights,
  ledger,
  run,
  ownMs,
}: Compensation & { readonly ownMs: number }): Promise<boolean> {
  const byId = new Map(flights.map((flight) => [executionIdOf(flight, run), flight]))
  const executions = await readExecutions(client, run)
  // A run with more flights than this one may be in the same database.
  const ours = new Map([...executions].filter(([executionId]) => byId.has(executionId)))
  const entries = (await ledger.read(prefixOf(run))).filter(({ executionId }) => byId.has(executionId))
  const problems = audit({ flights: byId, executions: ours, ledger: entries })
  writeTable(summaryTable(summarize([...ours.values()], entries), { ownMs, problems: problems.length }))
  for (const problem of problems.slice(0, PROBLEMS_SHOWN)) say(problem)
  if (problems.length > PROBLEMS_SHOWN) say(`… and ${problems.length - PROBLEMS_SHOWN} more`)
  return problems.length === 0
}

const PROBLEMS_SHOWN = 20
