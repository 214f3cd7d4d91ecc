// `cerebelum dead-letters`: executions that were set aside, each with the reason; `dead-letters retry ID` puts one back
// to work.

import type { Command } from 'commander'
import type { Client, ExecutionInfo } from '../client/client.js'
import { withClient } from './client-command.js'
import type { Flags } from './config.js'
import { EXIT } from './exit-codes.js'
import { addFlags, DATABASE_FLAGS } from './flags.js'
import { say, writeTable } from './output.js'

interface DeadLettersFlags extends Flags {
  readonly json?: boolean
}

/** More are counted by nobody's eyes; the API pages through all. */
const SHOWN_MAX = 1_000

export function addDeadLettersCommand(program: Command, run: (code: Promise<number>) => Promise<void>): void {
  const command = program
    .command('dead-letters')
    .description('executions that were set aside, with the reason')
  const list = command
    .command('list', { isDefault: true })
    .description(`the newest ${SHOWN_MAX}`)
    .option('--json', 'one JSON object per execution')
  addFlags(list, DATABASE_FLAGS).action((flags: DeadLettersFlags) =>
    run(withClient(flags, (client) => show(client, flags))),
  )
  const retry = command.command('retry').description('puts executions back to work').argument('<id...>')
  addFlags(retry, DATABASE_FLAGS).action((ids: readonly string[], flags: Flags) =>
    run(withClient(flags, (client) => retryAll(client, ids))),
  )
}

async function show(client: Client, { json }: DeadLettersFlags): Promise<number> {
  const { executions, cursor } = await client.list({ status: ['dead'], limit: SHOWN_MAX })
  if (json === true) for (const one of executions) process.stdout.write(`${JSON.stringify(one)}\n`)
  else writeTable({ head: ['execution', 'workflow', 'started', 'reason'], rows: executions.map(rowOf) })
  if (cursor !== undefined) say(`there are more; these are the newest ${SHOWN_MAX}`)
  return EXIT.ok
}

function rowOf({ executionId, workflow, workflowVersion, startedAt, note }: ExecutionInfo): string[] {
  return [executionId, `${workflow} ${workflowVersion}`, startedAt.toISOString(), note ?? '']
}

async function retryAll(client: Client, ids: readonly string[]): Promise<number> {
  for (const id of ids) {
    await client.retry(id)
    say(`${id}: back to work`)
  }
  return EXIT.ok
}
