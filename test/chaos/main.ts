// `npm run chaos`: real nodes and a real database under fire, and what must hold afterwards. The first line of standard
// output is the seed; exit code 1 when something was found.

import { Command, InvalidArgumentError } from 'commander'
import { startEmbeddedPostgres } from '../../src/cli/embedded-postgres.js'
import { FAULT_KINDS, FAULTS, isFaultKind, NODES_MAX, planRound, planText, type FaultKind } from './plan.js'
import { runChaos } from './run.js'

interface Flags {
  readonly seed: number
  readonly rounds: number
  readonly seconds: number
  readonly nodes: number
  readonly rate: number
  readonly faults: readonly FaultKind[]
  readonly databaseUrl?: string
  readonly plan: boolean
  readonly look?: string
}

const faultsText = FAULT_KINDS.map((kind) => `  ${kind.padEnd(16)}${FAULTS[kind]}`).join('\n')

const program = new Command('chaos')
  .description('Nodes and database under fire; afterwards the whole database is judged.')
  .option('--seed <n>', 'of the first round; each round has the next', whole(0, 2 ** 31), draw())
  .option('--rounds <n>', 'rounds, one after the other', whole(1, 100_000), 5)
  .option('--seconds <n>', 'how long each round is under fire', whole(1, 86_400), 30)
  .option('--nodes <n>', 'nodes at most, 1 to 8', whole(1, NODES_MAX), NODES_MAX)
  .option('--rate <n>', 'executions started in a second', whole(1, 1_000), 15)
  .option('--faults <kinds>', '"all", "none" or kinds separated by commas', parseFaults, FAULT_KINDS)
  .option(
    '--database-url <url>',
    'default: a PostgreSQL of its own; without it the faults of the server are left out',
  )
  .option('--plan', 'prints what would be done when, and does nothing', false)
  .option('--look <folder>', 'starts the database that a run has kept, until Ctrl-C')
  .addHelpText('after', `\nFaults:\n${faultsText}`)
  .action(async (flags: Flags) => {
    if (flags.look !== undefined) return look(flags.look)
    const { seed, rounds, seconds, nodes, faults } = flags
    console.log(`seed ${seed}`)
    if (flags.plan) {
      for (let round = 0; round < rounds; round++)
        console.log(planText(planRound({ seed: seed + round, seconds, nodes, kinds: faults })))
      return
    }
    const isWhole = await runChaos({ ...flags, say: (line) => console.log(line), onServer: dropAtSignals })
    process.exitCode = isWhole ? 0 : 1
  })

function dropAtSignals(drop: () => Promise<void>): void {
  const stop = (): void => void drop().finally(() => process.exit(130))
  process.once('SIGINT', stop).once('SIGTERM', stop)
}

async function look(dataDir: string): Promise<void> {
  const server = await startEmbeddedPostgres({ dataDir })
  console.log(`It answers at ${server.url}\nCtrl-C stops it.`)
  const timer = setInterval(() => undefined, 60_000)
  const stop = (): void => {
    clearInterval(timer)
    void server.stop({ evenIfUsed: true })
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
}

function draw(): number {
  return Math.floor(Math.random() * 2 ** 31)
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

function parseFaults(text: string): readonly FaultKind[] {
  if (text === 'all') return FAULT_KINDS
  if (text === 'none') return []
  const kinds = text.split(',')
  const unknown = kinds.filter((kind) => !isFaultKind(kind))
  if (unknown.length > 0) throw new InvalidArgumentError(`There is no fault "${unknown.join('", "')}".`)
  return kinds.filter(isFaultKind)
}

await program.parseAsync()
