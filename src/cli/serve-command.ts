// `cerebelum serve`: one engine node with its HTTP face, for the workflows of the modules that it is given; with
// `--processes` several, each in a process of its own on the next port.

import { fork, type ChildProcess } from 'node:child_process'
import { Option, type Command } from 'commander'
import { CerebelumError } from '../core/errors.js'
import type { Logger } from '../core/ports.js'
import { migrate } from '../store/migrate.js'
import { Cleanup } from './cleanup.js'
import { DEFAULT_PORT, readConfig, type Config, type Flags } from './config.js'
import { openDatabase, type CommandDatabase } from './database.js'
import { EXIT } from './exit-codes.js'
import { addFlags, flagArguments, NODE_FLAGS } from './flags.js'
import { untilInterrupted, type Interrupt } from './interrupt.js'
import { loadWorkflows } from './load-workflows.js'
import { createLog } from './log.js'
import { say } from './output.js'
import { startNode } from './running-node.js'
import { leaveWithParent, supervise, tellReady } from './supervisor.js'

interface ServeFlags extends Flags {
  readonly workflows: readonly string[]
  readonly migrate?: boolean
  readonly processes?: string
  /** By a supervisor, which has a channel to this process. */
  readonly supervised?: boolean
}

const PROCESSES_MAX = 256

export function addServeCommand(
  program: Command,
  run: (code: Promise<number>) => Promise<void>,
  interrupt: Interrupt,
): void {
  const command = program
    .command('serve')
    .description('run a node: the workflows of the modules given, and HTTP')
    .requiredOption('--workflows <modules...>', 'JavaScript modules; every workflow that they export is run')
    .option('--migrate', "bring the database's schema up to this release first (an embedded one always is)")
    .option('--processes <number>', 'that many nodes, each in a process of its own: port, port + 1, …')
    .addOption(new Option('--supervised').hideHelp())
  addFlags(command, NODE_FLAGS).action((flags: ServeFlags) =>
    run((flags.processes === undefined ? runServe : runProcesses)(flags, interrupt)),
  )
}

async function runServe(flags: ServeFlags, interrupt: Interrupt): Promise<number> {
  if (flags.supervised === true) leaveWithParent()
  const config = readConfig(flags)
  const log = createLog(config.logLevel ?? 'info')
  const cleanup = new Cleanup(log)
  try {
    const workflows = await loadWorkflows(flags.workflows)
    const database = await prepareDatabase({ flags, config, log, cleanup, interrupt })
    const node = await startNode({ config, databaseUrl: database.url, workflows, log, mayMovePort: false })
    cleanup.add('node', () => node.stop())
    log.info(
      { url: node.url, database: database.description, workflows: workflows.map(({ name }) => name) },
      'serving',
    )
    if (flags.supervised === true) tellReady(node.url)
    await untilInterrupted(interrupt)
    return EXIT.ok
  } finally {
    await cleanup.run()
  }
}

/** The database is ready, and migrated if asked for, before the first node starts; an embedded one is held till the end. */
async function runProcesses(flags: ServeFlags, interrupt: Interrupt): Promise<number> {
  const config = readConfig(flags)
  const processes = readProcesses(flags.processes)
  const ports = portsFor(config.port ?? DEFAULT_PORT, processes)
  const log = createLog(config.logLevel ?? 'info')
  const cleanup = new Cleanup(log)
  try {
    await prepareDatabase({ flags, config, log, cleanup, interrupt })
    const start = (slot: number): ChildProcess => {
      const given = flagArguments({ ...flags, port: String(ports[slot]) })
      const args = ['serve', '--supervised', ...given, '--workflows', ...flags.workflows]
      return fork(process.argv[1] ?? '', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    }
    return await supervise({ processes, start, say, aborted: interrupt.aborted })
  } finally {
    await cleanup.run()
  }
}

/** Opened until the cleanup, and migrated when it is embedded or when that was asked for. */
async function prepareDatabase(options: {
  readonly flags: ServeFlags
  readonly config: Config
  readonly log: Logger
  readonly cleanup: Cleanup
  readonly interrupt: Interrupt
}): Promise<CommandDatabase> {
  const { flags, config, log, cleanup, interrupt } = options
  const database = await openDatabase(config, log)
  cleanup.add('database', () => database.close())
  interrupt.aborted.throwIfAborted()
  const { schema, region } = config
  if (database.isEmbedded || flags.migrate === true) {
    await migrate({ url: database.url, schema, ...(region === undefined ? {} : { region }) })
  }
  interrupt.aborted.throwIfAborted()
  return database
}

function readProcesses(text: string | undefined): number {
  const processes = Number(text)
  if (Number.isInteger(processes) && processes >= 1 && processes <= PROCESSES_MAX) return processes
  throw new CerebelumError(
    'SETTINGS',
    `--processes is "${String(text)}"; expected a whole number from 1 to ${PROCESSES_MAX}.`,
  )
}

/** From the first one on; 0 is any free one, for each. */
function portsFor(first: number, processes: number): number[] {
  const last = first + processes - 1
  if (last > 65_535) {
    const text = `--port ${first} leaves no room for ${processes} processes: they take ${first} to ${last}, and ports end at 65535.`
    throw new CerebelumError('SETTINGS', text)
  }
  return Array.from({ length: processes }, (_, slot) => (first === 0 ? 0 : first + slot))
}
