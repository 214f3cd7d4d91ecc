// `npm run bench -- all`: its options. Progress goes to standard error, the tables of all to standard output.

import type { Command } from 'commander'
import { progress } from '../harness/report.js'
import { all, NAMES, type Size } from '../load/all.js'

interface Flags {
  readonly json: boolean
  readonly size: Size
  readonly only: readonly string[]
  readonly databaseUrl?: string
  readonly folder: string
}

export function registerAll(program: Command): void {
  program
    .command('all')
    .description('all benchmarks in turn, and the page of their results')
    .option('--json', 'the last line of standard output is one JSON object', false)
    .option('--size <size>', 'short (does it run), medium (25 minutes) or full', sizeNamed, 'medium')
    .option('--only <names>', `of ${NAMES.join(',')}`, named, NAMES)
    .option('--database-url <url>', 'for all of them; default: an embedded PostgreSQL each')
    .option('--folder <path>', 'where RESULTS.md, results.json and charts/ go', 'bench')
    .action(async ({ json, size, only, databaseUrl, folder }: Flags) => {
      const results = await all({
        size,
        names: only,
        databaseUrl,
        folder,
        isDrawn: (name) =>
          program.commands
            .find((command) => command.name() === name)
            ?.options.some(({ long }) => long === '--svg') === true,
        onProgress: progress,
      })
      if (json) process.stdout.write(`${JSON.stringify(results)}\n`)
      if (results.runs.some(({ failure }) => failure !== undefined)) process.exitCode = 1
    })
}

function sizeNamed(text: string): Size {
  if (text === 'short' || text === 'medium' || text === 'full') return text
  throw new Error(`"${text}" is none of short, medium and full.`)
}

function named(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !NAMES.includes(name))
  if (unknown !== undefined) throw new Error(`"${unknown}" is none of ${NAMES.join(', ')}.`)
  return names
}
