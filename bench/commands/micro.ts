// `npm run bench -- micro`: its options. The only one that needs no database.

import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { writeTable } from '../../src/cli/output.js'
import { drawChart } from '../harness/chart.js'
import { seconds } from '../harness/command.js'
import { figuresTable } from '../harness/figures.js'
import { progress } from '../harness/report.js'
import { micro } from '../load/micro.js'

interface Flags {
  readonly json: boolean
  readonly svg?: string
  readonly duration: number
  readonly record: string
  readonly keep: boolean
}

export function registerMicro(program: Command): void {
  program
    .command('micro')
    .description('codec, partition hash, replay, lane and scheduler by themselves, beside the last record')
    .option('--json', 'the last line of standard output is one JSON object', false)
    .option('--svg <file>', 'draw the result')
    .option('--duration <seconds>', 'of all pieces together', seconds, 30)
    .option('--record <file>', 'one line per run that was kept', 'bench/micro-record.ndjson')
    .option('--keep', 'add this run to the record', false)
    .action(async ({ json, svg, duration, record, keep }: Flags) => {
      const report = await micro({ seconds: duration, record, keep, onProgress: progress })
      writeTable(figuresTable(report))
      if (svg !== undefined) await writeFile(svg, drawChart(report.chart))
      if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
    })
}
