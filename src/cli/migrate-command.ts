// `cerebelum migrate`: brings the database's schema up to this release. Any number may run at once.

import type { Command } from 'commander'
import { CerebelumError } from '../core/errors.js'
import { migrate } from '../store/migrate.js'
import { Cleanup } from './cleanup.js'
import { readConfig, type Flags } from './config.js'
import { openDatabase } from './database.js'
import { EXIT } from './exit-codes.js'
import { addFlags, DATABASE_FLAGS } from './flags.js'
import { createLog } from './log.js'
import { say } from './output.js'

interface MigrateFlags extends Flags {
  readonly partitions?: string
  readonly reportingRole?: string
}

export function addMigrateCommand(program: Command, run: (code: Promise<number>) => Promise<void>): void {
  const command = program
    .command('migrate')
    .description("bring the database's schema up to this release; safe to repeat")
    .option('--partitions <number>', 'partitions of a new installation, fixed for good (default: 64)')
    .option('--reporting-role <name>', 'a role that may read the reporting views, made if it is not there')
  addFlags(command, DATABASE_FLAGS).action((flags: MigrateFlags) => run(runMigrate(flags)))
}

async function runMigrate(flags: MigrateFlags): Promise<number> {
  const config = readConfig(flags)
  const partitionCount = readPartitions(flags.partitions)
  const log = createLog(config.logLevel ?? 'info')
  const cleanup = new Cleanup(log)
  try {
    const database = await openDatabase(config, log)
    cleanup.add('database', () => database.close())
    const { schema, region } = config
    await migrate({
      url: database.url,
      schema,
      ...(region === undefined ? {} : { region }),
      ...(partitionCount === undefined ? {} : { partitionCount }),
      ...(flags.reportingRole === undefined ? {} : { reportingRole: flags.reportingRole }),
    })
    say(`schema "${schema}" is up to date: ${database.description}`)
    return EXIT.ok
  } finally {
    await cleanup.run()
  }
}

function readPartitions(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= PARTITIONS_MAX) return count
  throw new CerebelumError(
    'SETTINGS',
    `--partitions is "${text}"; expected a whole number from 1 to ${PARTITIONS_MAX}.`,
  )
}

/** Partition ids are int2 in the database; a node asks for each of its own at every poll. */
const PARTITIONS_MAX = 4_096
