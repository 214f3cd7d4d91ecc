// `cerebelum nodes`: who is there, and what each does. `--watch` shows it again each second until a signal; with
// `--json` too it is one line for each node that comes or goes.

import type { Command } from 'commander'
import type { Client } from '../client/client.js'
import { errorCode } from '../core/errors.js'
import { delay, systemClock } from '../core/ports.js'
import { withClient } from './client-command.js'
import type { Flags } from './config.js'
import { describeError, EXIT } from './exit-codes.js'
import { addFlags, DATABASE_FLAGS } from './flags.js'
import type { Interrupt } from './interrupt.js'
import { nodesTable, nodesTotal } from './nodes-table.js'
import { say, writeTable } from './output.js'
import { Screen } from './screen.js'

interface NodesFlags extends Flags {
  readonly json?: boolean
  readonly watch?: boolean
}

const REFRESH_MS = 1_000

export function addNodesCommand(
  program: Command,
  run: (code: Promise<number>) => Promise<void>,
  interrupt: Interrupt,
): void {
  const command = program
    .command('nodes')
    .description('the nodes of the cluster: where they are, what they do, what they own')
    .option('--json', 'one JSON object; with --watch one for each node that comes or goes')
    .option('--watch', 'show it again each second, until Ctrl-C')
  addFlags(command, DATABASE_FLAGS).action((flags: NodesFlags) =>
    run(withClient(flags, (client) => show(client, flags, interrupt.aborted))),
  )
}

async function show(client: Client, { json, watch }: NodesFlags, signal: AbortSignal): Promise<number> {
  if (watch === true) await (json === true ? tellChanges(client, signal) : refresh(client, signal))
  else if (json === true) process.stdout.write(`${JSON.stringify(await client.clusterStats())}\n`)
  else {
    const stats = await client.clusterStats()
    writeTable(nodesTable(stats))
    say(nodesTotal(stats))
  }
  return EXIT.ok
}

async function tellChanges(client: Client, signal: AbortSignal): Promise<void> {
  for await (const change of client.watchCluster({ signal })) {
    process.stdout.write(`${JSON.stringify(change)}\n`)
  }
}

async function refresh(client: Client, signal: AbortSignal): Promise<void> {
  const screen = new Screen(process.stdout)
  while (!signal.aborted) {
    try {
      const stats = await client.clusterStats()
      screen.show((stream) => {
        writeTable(nodesTable(stats), stream)
        stream.write(`${nodesTotal(stats)}\n`)
      })
    } catch (error) {
      // Whoever watches wants to see it come back.
      if (errorCode(error) !== 'DATABASE_UNAVAILABLE') throw error
      screen.show((stream) => stream.write(`${describeError(error, false)}\n`))
    }
    await delay(systemClock, REFRESH_MS, signal).catch(() => undefined)
  }
}
