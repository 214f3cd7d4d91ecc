// The last result of each benchmark in this folder, `.cerebelum/bench.json`: written by `npm run bench` and by
// `cerebelum capacity --measure`, read by `cerebelum capacity`. One JSON object, a result under the name of its benchmark.

import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { Measured } from '../core/capacity.js'
import { CerebelumError } from '../core/errors.js'

export const RESULTS_FILE = '.cerebelum/bench.json'

/** What a plan goes by, and where it comes from. */
export interface Known {
  readonly measured: Measured
  readonly by: string
  readonly at: Date
  readonly on: string
}

const Result = z.object({
  name: z.string(),
  ours: z.number().positive(),
  cpu_ms_node: z.number().nonnegative(),
  cpu_ms_database: z.number().nonnegative().nullable(),
  db_bytes: z.number().positive().nullable(),
  wal_bytes: z.number().positive().nullable(),
  /** As `throughput` has them, unless they are said. */
  steps: z.number().int().nonnegative().default(3),
  payload_bytes: z.number().nonnegative().default('{"value":3}'.length),
  machine: z.string(),
  server: z.string(),
  measured_at: z.iso.datetime().optional(),
})

export type Result = z.input<typeof Result>

/** Adds one, in the place of the last of its name. */
export async function recordResult(name: string, report: object, file = RESULTS_FILE): Promise<void> {
  const results = {
    ...(await readObject(file)),
    [name]: { ...report, measured_at: new Date().toISOString() },
  }
  await mkdir(dirname(file), { recursive: true })
  const beside = `${file}.${process.pid}`
  await writeFile(beside, `${JSON.stringify(results, null, 2)}\n`)
  await rename(beside, file)
}

/** None yet, or damaged: a new result is worth more than an error. */
async function readObject(file: string): Promise<object> {
  try {
    return z.looseObject({}).parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return {}
  }
}

/**
 * The newest result that a plan can go by: of `throughput`, or of a calibration. A file with one result, as `--json`
 * prints it, will do. Null: there is no such file.
 * @throws CerebelumError SETTINGS
 */
export async function readKnown(file: string): Promise<Known | null> {
  let text: string
  let writtenAt: Date
  try {
    text = await readFile(file, 'utf8')
    writtenAt = (await stat(file)).mtime
  } catch (error) {
    if (Object(error).code === 'ENOENT') return null
    throw unreadable(file, error)
  }
  const found = parse(file, text).map((result) => ({
    measured: measuredOf(result),
    by: result.name,
    at: result.measured_at === undefined ? writtenAt : new Date(result.measured_at),
    on: `${result.machine}, ${result.server}`,
  }))
  return found.toSorted((one, other) => other.at.getTime() - one.at.getTime())[0] ?? null
}

function parse(file: string, text: string): z.output<typeof Result>[] {
  try {
    const raw = z.looseObject({}).parse(JSON.parse(text))
    const candidates = 'ours' in raw ? [raw] : [raw['throughput'], raw[CALIBRATION]]
    return candidates.filter((candidate) => candidate !== undefined).map((one) => Result.parse(one))
  } catch (error) {
    throw unreadable(file, error)
  }
}

export const CALIBRATION = 'calibration'

function measuredOf(result: z.output<typeof Result>): Measured {
  return {
    workflowsPerSecond: result.ours,
    steps: result.steps,
    payloadBytes: result.payload_bytes,
    cpuMsNode: result.cpu_ms_node,
    cpuMsDatabase: result.cpu_ms_database,
    storedBytes: result.db_bytes,
    walBytes: result.wal_bytes,
  }
}

function unreadable(file: string, cause: unknown): CerebelumError {
  const text = `The results in "${file}" cannot be read. Give a file that "npm run bench -- throughput --json" or "cerebelum capacity --measure" has written.`
  return new CerebelumError('SETTINGS', text, { setting: '--results', cause })
}
