// What all benchmarks share on the command line: where they run, what they print, and the options for that. A file of
// `bench/commands` gives the options of its own, the measured function and the table.

import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { writeTable } from '../../src/cli/output.js'
import { drawChart, type ChartData } from './chart.js'
import { openPlace, type Place } from './place.js'
import { recordResult } from '../../src/cli/bench-results.js'
import { progress, type TableText } from './report.js'

export interface CommonFlags {
  readonly json: boolean
  readonly databaseUrl?: string
  readonly svg?: string
}

export interface Benchmark<Flags extends CommonFlags, Report extends object> {
  readonly name: string
  readonly description: string
  /** Adds the options of this benchmark alone. */
  readonly options: (command: Command) => Command
  /** Settings of the embedded server. */
  readonly settings?: (flags: Flags) => Readonly<Record<string, number>>
  readonly measure: (place: Place, flags: Flags) => Promise<Report>
  readonly table: (report: Report) => TableText
  readonly chart?: (report: Report) => ChartData
}

export function addBenchmark<Flags extends CommonFlags, Report extends object>(
  program: Command,
  { name, description, options, settings, measure, table, chart }: Benchmark<Flags, Report>,
): void {
  const command = program
    .command(name)
    .description(description)
    .option('--json', 'the last line of standard output is one JSON object', false)
    .option(
      '--database-url <url>',
      'PostgreSQL or CockroachDB; default: an embedded PostgreSQL in a fresh folder',
    )
  if (chart !== undefined) command.option('--svg <file>', 'draw the result')
  options(command).action(async (flags: Flags) => {
    const place = await openPlace(flags.databaseUrl, settings?.(flags))
    try {
      progress(`on ${place.server}`)
      const report = await measure(place, flags)
      writeTable(table(report))
      if (chart !== undefined && flags.svg !== undefined) await writeFile(flags.svg, drawChart(chart(report)))
      await recordResult(name, report)
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    } finally {
      await place.close()
    }
  })
}

export function seconds(text: string): number {
  const value = Number(text.replace(/s$/, ''))
  if (!(value > 0 && value <= 86_400)) throw new Error(`"${text}" is no number of seconds.`)
  return value
}

export function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 100_000_000)
    throw new Error(`"${text}" is no whole number from 1.`)
  return value
}

export function sizes(text: string): readonly number[] {
  return text
    .split(',')
    .map((size) => whole(size.trim()))
    .toSorted((a, b) => a - b)
}
