// `cerebelum serve`: one engine node with its HTTP face, for the workflows of the modules that it is given.

import type { Command } from 'commander'
import { migrate } from '../store/migrate.js'
import { Cleanup } from './cleanup.js'
import { readConfig, type Flags } from './config.js'
import { openDatabase } from './database.js'
import { EXIT } from './exit-codes.js'
import { addFlags, NODE_FLAGS } from './flags.js'
import { untilInterrupted, type Interrupt } from './interrupt.js'
import { loadWorkflows } from './load-workflows.js'
import { createLog } from './log.js'
import { startNode } from './running-node.js'

interface ServeFlags extends Flags {
  readonly workflows: readonly string[]
  readonly migrate?: boolean
}

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
  addFlags(command, NODE_FLAGS).action((flags: ServeFlags) => run(runServe(flags, interrupt)))
}

async function runServe(flags: ServeFlags, interrupt: Interrupt): Promise<number> {
  const config = readConfig(flags)
  const log = createLog(config.logLevel ?? 'info')
  const cleanup = new Cleanup(log)
  try {
    const workflows = await loadWorkflows(flags.workflows)
    const database = await openDatabase(config, log)
    cleanup.add('database', () => database.close())
    interrupt.aborted.throwIfAborted()
    const { url } = database
    const { schema, region } = config
    if (database.isEmbedded || flags.migrate === true) {
      await migrate({ url, schema, ...(region === undefined ? {} : { region }) })
    }
    interrupt.aborted.throwIfAborted()
    const node = await startNode({ config, databaseUrl: url, workflows, log, mayMovePort: false })
    cleanup.add('node', () => node.stop())
    log.info(
      { url: node.url, database: database.description, workflows: workflows.map(({ name }) => name) },
      'serving',
    )
    await untilInterrupted(interrupt)
    return EXIT.ok
  } finally {
    await cleanup.run()
  }
}
