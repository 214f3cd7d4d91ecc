// `all`: every benchmark in turn, each a process of its own so that none inherits another's memory, and the page, the JSON
// and the charts of what they found. One that fails is told of and costs the others nothing.

import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { format, resolveConfig } from 'prettier'
import { machineText } from '../harness/report.js'
import { renderResults, Results } from '../harness/results.js'
import { commitText } from './micro.js'

export type Size = 'short' | 'medium' | 'full'

/** What is given to each; full: its own defaults. */
const FLAGS: readonly { readonly name: string; readonly short: string; readonly medium: string }[] = [
  { name: 'throughput', short: '--duration 4 --warm-up 2 --rounds 1', medium: '--rounds 4' },
  ...['signals', 'timers', 'children', 'transactions'].map((name) => ({
    name,
    short: '--duration 4 --warm-up 2 --rounds 1',
    medium: '--duration 18 --warm-up 6 --rounds 3',
  })),
  { name: 'latency', short: '--duration 2 --warm-up 4 --starts 20', medium: '--duration 20' },
  { name: 'replay', short: '--duration 2 --rounds 1', medium: '--duration 15' },
  { name: 'fan-out', short: '--rounds 1', medium: '' },
  { name: 'waiting', short: '--duration 3 --executions 4000', medium: '--duration 10 --executions 200000' },
  {
    name: 'scale',
    short: '--duration 2 --rounds 1 --nodes 1,2 --stored 1000,10000',
    medium: '--duration 12 --stored 1000,100000,1000000',
  },
  { name: 'failover', short: '--kills 1 --running 100 --waiting 100', medium: '--kills 8' },
  { name: 'cluster', short: '--nodes 6 --idle 2 --starts 20 --drains 1', medium: '--nodes 20 --starts 100' },
  { name: 'caches', short: '--duration 1 --rounds 1 --executions 50', medium: '' },
  {
    name: 'retention',
    short: '--duration 2 --rounds 1 --old 2000 --in-flight 200',
    medium: '--duration 15 --rounds 3 --old 100000',
  },
  { name: 'peers', short: '--duration 2 --warm-up 1 --rounds 1', medium: '--duration 8 --rounds 2' },
  { name: 'micro', short: '--duration 3', medium: '--duration 15' },
]

export const NAMES = FLAGS.map(({ name }) => name)

export interface AllOptions {
  readonly size: Size
  readonly names: readonly string[]
  readonly databaseUrl: string | undefined
  /** Where RESULTS.md, results.json and charts/ are written. */
  readonly folder: string
  /** Whether a benchmark can be drawn. */
  readonly isDrawn: (name: string) => boolean
  readonly onProgress: (text: string) => void
}

export async function all(options: AllOptions): Promise<Results> {
  const { size, names, folder, onProgress } = options
  await mkdir(join(folder, 'charts'), { recursive: true })
  const runs: Results['runs'] = []
  for (const name of names) {
    onProgress(`— ${name} (${runs.length + 1} of ${names.length})`)
    const run = await runOne(name, options)
    if (run.failure !== undefined) onProgress(`${name} failed: ${run.failure}`)
    runs.push(run)
  }
  const results = Results.parse({
    commit: await commitText(),
    at: new Date().toISOString(),
    size,
    machine: machineText(),
    node_version: process.versions.node,
    runs,
  })
  await writeFormatted(join(folder, 'results.json'), JSON.stringify(results))
  await writeFormatted(join(folder, 'RESULTS.md'), renderResults(results))
  return results
}

/** As all files of the tree are. */
async function writeFormatted(file: string, text: string): Promise<void> {
  await writeFile(file, await format(text, { ...(await resolveConfig('package.json')), filepath: file }))
}

async function runOne(name: string, options: AllOptions): Promise<Results['runs'][number]> {
  const { size, databaseUrl, folder, isDrawn } = options
  const given = size === 'full' ? '' : (FLAGS.find((flags) => flags.name === name)?.[size] ?? '')
  const flags = given.split(' ').filter((flag) => flag !== '')
  const chart = isDrawn(name) ? `charts/${name}.svg` : undefined
  const begun = performance.now()
  const { code, output } = await runBenchmark([
    name,
    '--json',
    ...flags,
    ...(chart === undefined ? [] : ['--svg', join(folder, chart)]),
    ...(databaseUrl === undefined || name === 'micro' ? [] : ['--database-url', databaseUrl]),
  ])
  const common = {
    name,
    flags,
    seconds: (performance.now() - begun) / 1_000,
    load_average: loadavg()[0] ?? Number.NaN,
  }
  const last = output.trimEnd().split('\n').at(-1) ?? ''
  if (code !== 0) return { ...common, failure: `it ended with ${code}; standard error has the reason` }
  const parsed = Results.shape.runs.element.shape.report.safeParse(JSON.parse(last))
  if (!parsed.success) return { ...common, failure: 'its last line is no report' }
  return { ...common, ...(chart !== undefined && { chart }), report: parsed.data }
}

async function runBenchmark(flags: readonly string[]): Promise<{ code: number | null; output: string }> {
  const [, main = ''] = process.argv
  const child = spawn(process.execPath, [...process.execArgv, main, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    process.stdout.write(chunk)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, output: Buffer.concat(chunks).toString('utf8') }
}
