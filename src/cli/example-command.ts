// `cerebelum example`: the flight compensation example on real records, from an empty folder to an audited summary.
// Every part may be killed at any moment: what is started again has the same ids, so the next call finishes the
// same executions.

import type { Command } from 'commander'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { Ledger } from '../examples/flights/ledger.js'
import { FLIGHTS_MAX, readFlights } from '../examples/flights/records.js'
import { flightCompensation } from '../examples/flights/workflow.js'
import { migrate } from '../store/migrate.js'
import { createPool } from '../store/pool.js'
import { Cleanup } from './cleanup.js'
import { readConfig, type Flags } from './config.js'
import { openDatabase } from './database.js'
import { EXIT } from './exit-codes.js'
import { addFlags, NODE_FLAGS } from './flags.js'
import { untilInterrupted, type Interrupt } from './interrupt.js'
import { createLog } from './log.js'
import { compensate } from './example-job.js'
import { say } from './output.js'
import { startNode } from './running-node.js'

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
    say(`dashboard: ${node.url}/`)
    const { client } = node
    const { run, stallMs } = job
    const isClean = await compensate({ client, flights, ledger, run, stallMs, log, aborted })
    if (!job.exits) {
      say(`serving on ${node.url}; Ctrl-C ends`)
      await untilInterrupted(interrupt)
    }
    return isClean ? EXIT.ok : EXIT.auditFailed
  } finally {
    await cleanup.run()
  }
}

/** Each reservation is a commit of its own: those at the same time share a flush of the log, so 5 took 4 s longer. */
const LEDGER_CONNECTIONS = 20

interface Job {
  readonly flightCount: number
  readonly run: string | undefined
  readonly approvalTimeout: string
  /** Nothing ended for this long, though nothing has to wait longer: something hangs. */
  readonly stallMs: number
  readonly exits: boolean
}

/** Longer than a lease, a database's recovery and a retry take together. */
const STALL_MS = 60_000

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
  const stallMs = STALL_MS + durationMs(approvalTimeout, 'approval time-out')
  return { flightCount, run, approvalTimeout, stallMs, exits: exit === true }
}
