// `cerebelum capacity`: how many nodes and how much database so much work needs, by what was measured on this
// installation, and by nothing else. It says which measurement that was, and when; without any it says so.

import { Option, type Command } from 'commander'
import { HEADROOM, planCapacity, type CapacityPlan, type Demand } from '../core/capacity.js'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { CALIBRATION, readKnown, recordResult, RESULTS_FILE, type Known } from './bench-results.js'
import { calibrate } from './calibration.js'
import { Cleanup } from './cleanup.js'
import { readConfig, type Flags } from './config.js'
import { openDatabase } from './database.js'
import { EXIT } from './exit-codes.js'
import { addFlags, DATABASE_FLAGS } from './flags.js'
import { createLog } from './log.js'
import { say, writeTable } from './output.js'

interface CapacityFlags extends Flags {
  readonly workflowsPerSecond: string
  readonly waiting: string
  readonly steps: string
  readonly payload: string
  readonly regions: string
  readonly copies: string
  readonly kept: string
  readonly priceNode?: string
  readonly priceCore?: string
  readonly priceGb?: string
  readonly results: string
  readonly measure?: boolean
  readonly seconds: string
  readonly json?: boolean
}

const DAY_MS = 86_400_000

export function addCapacityCommand(program: Command, run: (code: Promise<number>) => Promise<void>): void {
  const command = program
    .command('capacity')
    .description('nodes and database for so much work, by what was measured here')
    .requiredOption('--workflows-per-second <n>', 'that are started')
    .option('--waiting <n>', 'executions that wait at any time', '0')
    .option('--steps <n>', 'of each workflow', '3')
    .option('--payload <bytes>', 'of each input, result of a step, and output', '100')
    .option('--regions <n>', 'with a node each at least', '1')
    .option('--copies <n>', 'how often the database keeps each byte: replicas, standbys', '1')
    .option('--kept <span>', 'how long closed executions are kept', '30 days')
    .option('--price-node <amount>', 'of a node, per month')
    .option('--price-core <amount>', 'of a core of the database, per month')
    .option('--price-gb <amount>', 'of a gigabyte (10^9 bytes) of the database, per month')
    .option('--results <file>', 'of "npm run bench -- throughput --json", or of --measure', RESULTS_FILE)
    .option('--measure', 'measure now, in a schema of its own that is dropped: a few seconds of full load')
    .addOption(new Option('--seconds <n>', 'of the measurement').default('15'))
    .option('--json', 'one JSON object')
  addFlags(command, DATABASE_FLAGS).action((flags: CapacityFlags) => run(runCapacity(flags)))
}

async function runCapacity(flags: CapacityFlags): Promise<number> {
  const demand = demandOf(flags)
  if (flags.measure === true) await measure(flags, demand)
  const known = await readKnown(flags.results)
  if (known === null) throw unmeasured(flags.results)
  const plan = planCapacity(known.measured, demand)
  if (flags.json === true) {
    const { measured, ...source } = known
    process.stdout.write(`${JSON.stringify({ plan, demand, headroom: HEADROOM, source, measured })}\n`)
  } else show(plan, known, flags)
  return EXIT.ok
}

async function measure(
  flags: CapacityFlags,
  demand: Required<Pick<Demand, 'steps' | 'payloadBytes'>>,
): Promise<void> {
  const seconds = numberOf(flags, 'seconds', { min: 1, max: 3_600 })
  const config = readConfig(flags)
  const log = createLog(config.logLevel ?? 'warn')
  const cleanup = new Cleanup(log)
  try {
    const database = await openDatabase(config, log)
    cleanup.add('database', () => database.close())
    const { steps, payloadBytes } = demand
    const { url, description: server } = database
    const result = await calibrate({ url, server, steps, payloadBytes, seconds, onProgress: say })
    await recordResult(CALIBRATION, result, flags.results)
  } finally {
    await cleanup.run()
  }
}

function demandOf(flags: CapacityFlags) {
  const price = (name: 'priceNode' | 'priceCore' | 'priceGb'): number | undefined =>
    flags[name] === undefined ? undefined : numberOf(flags, name, { min: 0, max: 1e9 })
  const [node, databaseCore, gigabyte] = [price('priceNode'), price('priceCore'), price('priceGb')]
  return {
    workflowsPerSecond: numberOf(flags, 'workflowsPerSecond', { min: 0, max: 1e9 }),
    waiting: numberOf(flags, 'waiting', { min: 0, max: 1e12 }),
    steps: numberOf(flags, 'steps', { min: 0, max: 1e6, isWhole: true }),
    payloadBytes: numberOf(flags, 'payload', { min: 0, max: 1e9, isWhole: true }),
    regions: numberOf(flags, 'regions', { min: 1, max: 100, isWhole: true }),
    copies: numberOf(flags, 'copies', { min: 1, max: 100, isWhole: true }),
    keptDays: durationMs(flags.kept, 'span of --kept') / DAY_MS,
    prices: {
      ...(node === undefined ? {} : { node }),
      ...(databaseCore === undefined ? {} : { databaseCore }),
      ...(gigabyte === undefined ? {} : { gigabyte }),
    },
  } satisfies Demand
}

type NumberFlag = Exclude<keyof CapacityFlags, keyof Flags | 'json' | 'measure' | 'kept' | 'results'>

function numberOf(
  flags: CapacityFlags,
  name: NumberFlag,
  { min, max, isWhole = false }: { readonly min: number; readonly max: number; readonly isWhole?: boolean },
): number {
  const text = flags[name] ?? ''
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  const kind = isWhole ? 'a whole number' : 'a number'
  throw new CerebelumError('SETTINGS', `${flag} is "${text}"; expected ${kind} from ${min} to ${max}.`, {
    setting: flag,
  })
}

function show(plan: CapacityPlan, { measured, by, at, on }: Known, { regions }: CapacityFlags): void {
  writeTable({
    head: ['what', 'needed'],
    rows: [
      ['nodes, one core each', `${plan.nodes}${regions === '1' ? '' : ` in ${regions} regions`}`],
      ['partitions of a new installation', plan.partitions],
      ['cores of the database', plan.databaseCores ?? NOT_MEASURED],
      ['stored per workflow', bytesText(plan.bytesPerWorkflow)],
      ['stored per day', bytesText(plan.bytesPerDay)],
      ['WAL per day', bytesText(plan.walBytesPerDay)],
      ['size of the database', bytesText(plan.databaseBytes)],
      ['cost per month', plan.costPerMonth?.toFixed(2) ?? 'not known: no prices, or no measurement for one'],
    ],
  })
  say(`with ${HEADROOM * 100} % of everything left free`)
  say(
    `by ${by} of ${at.toISOString()} on ${on}: ${Math.round(measured.workflowsPerSecond)} workflows/s of ${measured.steps} steps on one node`,
  )
}

const NOT_MEASURED = 'not measured there'
const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

function bytesText(bytes: number | null): string {
  if (bytes === null) return NOT_MEASURED
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))
  const value = bytes / 1_000 ** power
  return `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${UNITS[power]}`
}

function unmeasured(file: string): CerebelumError {
  const text = `Nothing was measured here: there is no "${file}", and a plan by other machines' figures is worth nothing. Measure now with --measure, or run "npm run bench -- throughput".`
  return new CerebelumError('SETTINGS', text, { setting: '--results' })
}
