// `cerebelum archive show ID`: an execution that was removed, read back from the archive of `serve --archive-dir`.

import type { Command } from 'commander'
import { CerebelumError } from '../core/errors.js'
import { toJson } from '../http/to-json.js'
import { fileArchive } from '../retention/file-archive.js'
import { openArchive, type ArchivedEvent, type ArchivedExecution } from '../retention/open-archive.js'
import { readConfig, type Flags } from './config.js'
import { EXIT } from './exit-codes.js'
import { addFlags } from './flags.js'
import { say, writeTable } from './output.js'

interface ArchiveFlags extends Flags {
  readonly workflow?: string
  readonly json?: boolean
}

export function addArchiveCommand(program: Command, run: (code: Promise<number>) => Promise<void>): void {
  const command = program.command('archive').description('executions that were removed and archived')
  const show = command
    .command('show')
    .description('one of them, with its history')
    .argument('<id>')
    .option('--workflow <name>', 'of which it is: fewer files are gone through')
    .option('--json', 'one JSON object')
  addFlags(show, ['archiveDir']).action((id: string, flags: ArchiveFlags) => run(runShow(id, flags)))
}

async function runShow(id: string, flags: ArchiveFlags): Promise<number> {
  const { archiveDir } = readConfig(flags)
  if (archiveDir === undefined) {
    const text = 'No archive was named. Give the folder by --archive-dir, or by CEREBELUM_ARCHIVE_DIR.'
    throw new CerebelumError('SETTINGS', text, { setting: '--archive-dir' })
  }
  const { workflow, json } = flags
  const execution = await openArchive(fileArchive(archiveDir)).read(
    id,
    workflow === undefined ? {} : { workflow },
  )
  if (json === true) process.stdout.write(`${JSON.stringify(toJson(execution))}\n`)
  else showExecution(execution)
  return EXIT.ok
}

function showExecution(execution: ArchivedExecution): void {
  const { executionId, workflow, workflowVersion, status, startedAt, closedAt } = execution
  say(
    `${executionId}: ${workflow} ${workflowVersion}, ${status}, ${startedAt.toISOString()} to ${closedAt.toISOString()}`,
  )
  writeTable({ head: ['version', 'at', 'type', 'name', 'payload'], rows: execution.events.map(rowOf) })
}

function rowOf({ version, at, type, name, payload }: ArchivedEvent): (string | number | null)[] {
  return [
    version,
    at.toISOString(),
    type,
    name ?? null,
    payload === undefined ? null : JSON.stringify(toJson(payload)),
  ]
}
