// `cerebelum partitions`: who owns which.

import type { Command } from 'commander'
import type { Client } from '../client/client.js'
import { withClient } from './client-command.js'
import type { Flags } from './config.js'
import { EXIT } from './exit-codes.js'
import { addFlags, DATABASE_FLAGS } from './flags.js'
import { writeTable } from './output.js'

interface PartitionsFlags extends Flags {
  readonly json?: boolean
}

export function addPartitionsCommand(program: Command, run: (code: Promise<number>) => Promise<void>): void {
  const command = program
    .command('partitions')
    .description('the partitions: home region, owner, and how often each changed hands')
    .option('--json', 'one JSON object per partition')
  addFlags(command, DATABASE_FLAGS).action((flags: PartitionsFlags) =>
    run(withClient(flags, (client) => show(client, flags))),
  )
}

async function show(client: Client, { json }: PartitionsFlags): Promise<number> {
  const { nodes, partitions } = await client.clusterStats()
  if (json === true) {
    for (const partition of partitions) process.stdout.write(`${JSON.stringify(partition)}\n`)
    return EXIT.ok
  }
  const living = new Set(nodes.filter(({ isAlive }) => isAlive).map(({ nodeId }) => nodeId))
  writeTable({
    head: ['partition', 'region', 'owner', 'epoch', 'lease of the owner'],
    rows: partitions.map(({ partition, region, owner, epoch }) => [
      partition,
      region,
      owner,
      epoch,
      owner === null ? null : living.has(owner) ? 'held' : 'ran out',
    ]),
  })
  return EXIT.ok
}
